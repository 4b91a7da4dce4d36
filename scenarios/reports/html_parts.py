"""The template of reports: one HTML page without scripts, readable in light and dark, complete in itself."""

from jinja2 import Environment, StrictUndefined

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1f; --paper: #ffffff; --faint: #6a6a75; --line: #d9d9e0; --band: #f5f5f8;
  --accent: #1565c0; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6ea; --paper: #17171b; --faint: #9d9da8; --line: #37373f; --band: #1f1f25; --accent: #7ab4ff; }
}
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1180px;
  margin: 0 auto; padding: 24px 20px 80px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 40px 0 12px; } h3 { font-size: 16px; }
h2 { border-bottom: 1px solid var(--line); padding-bottom: 4px; }
a { color: var(--accent); } .faint { color: var(--faint); } code { font: 13px/1.45 ui-monospace, monospace; }
p code, td code { overflow-wrap: anywhere; }
.note { border-left: 3px solid var(--accent); padding: 6px 12px; background: var(--band); }
.wide { overflow-x: auto; margin: 0 0 28px; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0 0 6px; }
th, td { padding: 3px 12px 3px 0; text-align: left; vertical-align: top; white-space: nowrap; }
th { font-weight: 600; white-space: pre-line; vertical-align: bottom; border-bottom: 1.5px solid var(--line); }
th.number, td.number { text-align: right; }
tbody + tbody tr:first-child td { border-top: 1px solid var(--line); }
tbody tr:hover td { background: var(--band); }
.under { font-size: 12.5px; color: var(--faint); margin: 4px 0 0; max-width: 90ch; }
.settings { display: flex; flex-wrap: wrap; gap: 8px 40px; align-items: flex-start; }
.settings td { white-space: normal; overflow-wrap: anywhere; max-width: 34ch; }
.settings td:first-child { color: var(--faint); }
figure { margin: 0 0 28px; } figcaption { font-size: 13px; color: var(--faint); margin-top: 4px; }
img { max-width: 100%; height: auto; background: #ffffff; border-radius: 6px; border: 1px solid var(--line); }
details { border: 1px solid var(--line); border-radius: 8px; padding: 8px 16px; margin: 0 0 12px; }
summary { cursor: pointer; font-weight: 600; }
@media print { details { border: 0; padding: 0; } }
"""

_PARTS = """
{%- macro sheet(table) %}
<div class="wide"><table>
{%- if table.title %}<caption>{{ table.title }}</caption>{% endif %}
<thead><tr>
{%- for head in table.heads %}<th{% if head.number %} class="number"{% endif %} scope="col">{{ head.text }}</th>
{%- endfor %}</tr></thead>
{%- for section in table.sections %}
<tbody>
{%- for line in section %}
<tr>{% for cell in line %}<td{% if table.heads[loop.index0].number %} class="number"{% endif %}>{{ cell }}</td>
{%- endfor %}</tr>
{%- endfor %}
</tbody>
{%- endfor %}
</table>
{%- if table.caption %}<p class="under">{{ table.caption }}</p>{% endif %}</div>
{%- endmacro %}

{%- macro picture(image) %}
<figure><img src="data:{{ image.kind }};base64,{{ image.data }}" alt="{{ image.name }}">
<figcaption>{{ image.name }}</figcaption></figure>
{%- endmacro %}

{%- macro pairs(title, values) %}
<table><caption>{{ title }}</caption>
{%- for name, value in values.items() %}<tr><td>{{ name }}</td><td><code>{{ value }}</code></td></tr>{% endfor %}
</table>
{%- endmacro %}

{%- macro subject(run) %}
{%- if run.note %}<p class="note">{{ run.note }}</p>{% endif %}
<h3>Made by</h3>
<p><code>{{ run.command }}</code></p>
<div class="settings">
{%- for title, values in run.made_by.items() %}{{ pairs(title, values) }}{% endfor %}</div>
<h3>Configuration</h3>
<div class="settings">
{%- for title, values in run.settings.items() %}{{ pairs(title, values) }}{% endfor %}</div>
{%- if run.curves %}<h3>Training</h3>{{ picture(run.curves) }}{% endif %}
{%- if run.tables %}<h3>Probes</h3>{% for table in run.tables %}{{ sheet(table) }}{% endfor %}{% endif %}
{%- if run.images %}<h3>Figures</h3>{% for image in run.images %}{{ picture(image) }}{% endfor %}{% endif %}
{%- endmacro %}
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<h1>{{ title }}</h1>
<p class="faint">{{ subtitle }}</p>
{%- if tables or images %}
<h2>Side by side</h2>
{%- for table in tables %}{{ sheet(table) }}{% endfor %}
{%- for image in images %}{{ picture(image) }}{% endfor %}
{%- endif %}
{%- if runs | length == 1 %}
{{ subject(runs[0]) }}
{%- else %}
<h2>Runs</h2>
{%- for run in runs %}
<details><summary>{{ run.name }}</summary>
{{ subject(run) }}
</details>
{%- endfor %}
{%- endif %}
</body>
</html>
"""


def render(**contents: object) -> str:
    """The page; everything that is put into it is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(_PARTS + _PAGE).render(style=_STYLE, **contents)
