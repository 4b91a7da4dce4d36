"""Where people looked: files of fixations, read and brought to the images of a source.

scan_paths   HumanGaze: the scan paths of observers on the images of a split, and what was left out and why
csv_files    tables with a line for every fixation
coco_files   the JSON files of COCO-Search18 and COCO-FreeView
recorded     what both of them give, scan paths in pixels of a file or a screen; FixationOptions
"""

from typing import TYPE_CHECKING

from ..registry import face

if TYPE_CHECKING:
    from .recorded import FixationOptions, RecordedPath
    from .scan_paths import HumanGaze, ScanPath, human_gaze

__all__ = ["FixationOptions", "HumanGaze", "RecordedPath", "ScanPath", "human_gaze"]

__getattr__, __dir__ = face(
    __name__,
    {
        "scan_paths": ("HumanGaze", "ScanPath", "human_gaze"),
        "recorded": ("FixationOptions", "RecordedPath"),
    },
)
