"""Reports: what was measured, shown to people. Nothing here measures anything.

Tables
    tables             tables that fit a terminal; those of an evaluation, of goals and of rollouts
    rows               runs as rows: mean ± std over seeds, untrained baselines
    paper_numbers      the paper's own numbers, as rows beside them
    table_files        rows as a sheet: terminal, Markdown, LaTeX, CSV
Figures
    figures            evaluations and training, of one run or of several
    probe_figures      neighbours, maps, rollouts, goals
    comparison_report  a comparison of policies: tables, sentences and all its figures
    controls_report    the control experiment: tables in Markdown, and its figure
    gaze_tables        how much policies look as people do, in tables
    gaze_figures       the same by the order of fixations, and maps beside scan paths
    heat_maps          numbers of views in training against those in probing
    scan_paths         where a policy looks, still and moving
    fixation_density   where it looks over many scenes
    films              pictures one after the other, as GIF or MP4
Pages
    html_page          runs as one HTML page that holds everything
    page_template      its style, its slider and the places where contents go
    page_sections      what it tells of a run, part by part
    page_pictures      figures for light and dark pages
    page_scan_path     scan paths whose fixations a slider lays bare
    page_tables        tables of the terminal as those of a page
"""

from typing import TYPE_CHECKING

from gazeworld.envs.registry import face

if TYPE_CHECKING:
    from . import (
        comparison_report,
        controls_report,
        figures,
        films,
        fixation_density,
        gaze_figures,
        gaze_tables,
        heat_maps,
        html_page,
        page_pictures,
        page_scan_path,
        page_sections,
        page_tables,
        page_template,
        paper_numbers,
        probe_figures,
        rows,
        scan_paths,
        table_files,
        tables,
    )

__all__ = [
    "comparison_report",
    "controls_report",
    "figures",
    "films",
    "fixation_density",
    "gaze_figures",
    "gaze_tables",
    "heat_maps",
    "html_page",
    "page_pictures",
    "page_scan_path",
    "page_sections",
    "page_tables",
    "page_template",
    "paper_numbers",
    "probe_figures",
    "rows",
    "scan_paths",
    "table_files",
    "tables",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "tables": (),
        "rows": (),
        "paper_numbers": (),
        "table_files": (),
        "figures": (),
        "films": (),
        "fixation_density": (),
        "gaze_figures": (),
        "gaze_tables": (),
        "probe_figures": (),
        "comparison_report": (),
        "controls_report": (),
        "heat_maps": (),
        "scan_paths": (),
        "page_tables": (),
        "page_pictures": (),
        "page_scan_path": (),
        "page_sections": (),
        "page_template": (),
        "html_page": (),
    },
)
