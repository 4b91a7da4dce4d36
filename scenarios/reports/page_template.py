"""The page itself: its style, the few lines that move its slider, and the places where contents go."""

from jinja2 import Environment, StrictUndefined

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1f; --paper: #ffffff; --faint: #63636e; --line: #d9d9e0; --band: #f5f5f8;
  --accent: #1565c0; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6ea; --paper: #17171b; --faint: #a3a3ae; --line: #37373f; --band: #1f1f25; --accent: #7ab4ff; }
  img.card { filter: brightness(.9); }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1180px;
  margin: 0 auto; padding: 24px 20px 80px; overflow-wrap: break-word; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 40px 0 12px; border-bottom: 1px solid var(--line); padding-bottom: 4px; }
h3 { font-size: 16px; margin: 28px 0 8px; }
.lead { font-size: 18px; line-height: 1.5; max-width: 72ch; margin: 16px 0 20px; }
.faint { color: var(--faint); margin: 0; } code { font: 13px/1.45 ui-monospace, monospace; }
p { max-width: 90ch; } p code, td code { overflow-wrap: anywhere; }
.note { border-left: 3px solid var(--accent); padding: 6px 12px; background: var(--band); }
.wide { overflow-x: auto; margin: 0 0 28px; }
.wide:focus-visible, summary:focus-visible, input:focus-visible, button:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0 0 6px; }
th, td { padding: 3px 12px 3px 0; text-align: left; vertical-align: top; white-space: nowrap; }
td { white-space: pre; }
th { font-weight: 600; white-space: pre; vertical-align: bottom; border-bottom: 1.5px solid var(--line); }
th.number, td.number { text-align: right; }
tbody + tbody tr:first-child td { border-top: 1px solid var(--line); }
tbody tr:hover td { background: var(--band); }
.under { font-size: 12.5px; color: var(--faint); margin: 4px 0 0; max-width: 90ch; white-space: normal; }
.settings { display: flex; flex-wrap: wrap; gap: 8px 40px; align-items: flex-start; }
.settings > table { max-width: 100%; }
.settings td { white-space: normal; overflow-wrap: anywhere; max-width: 34ch; }
.settings td:first-child { color: var(--faint); }
figure { margin: 0 0 28px; min-width: 0; } figcaption { font-size: 13px; color: var(--faint); margin-top: 4px; }
figure .wide { margin: 0; }
img { display: block; max-width: 100%; height: auto; }
img.card { background: #ffffff; border-radius: 6px; border: 1px solid var(--line); }
details { border: 1px solid var(--line); border-radius: 8px; padding: 8px 16px; margin: 0 0 12px; }
summary { cursor: pointer; font-weight: 600; } details > summary h2 { display: inline; border: 0; margin: 0; }
.scan { margin: 0 0 28px; }
.scan .paths { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 20px; }
.scan figure { margin: 0; max-width: 340px; } .scan svg { display: block; width: 100%; height: auto; }
.scan svg image { image-rendering: pixelated; }
.scan .controls { display: flex; align-items: center; gap: 12px; margin: 0 0 12px; flex-wrap: wrap; }
.scan .controls[hidden] { display: none; }
.scan input { flex: 1 1 180px; max-width: 420px; accent-color: var(--accent); }
.scan button { font: inherit; padding: 2px 14px; border: 1px solid var(--line); border-radius: 6px; cursor: pointer;
  background: var(--band); color: var(--ink); }
.scan output { min-width: 8em; color: var(--faint); font-variant-numeric: tabular-nums; }
.scan .later { opacity: 0; } .scan .thumb.later { opacity: .18; } .scan .now rect.edge { stroke-width: 4; }
@media (max-width: 640px) {
  body { padding: 16px 14px 60px; } .lead { font-size: 16.5px; } h1 { font-size: 22px; }
  .plot img { max-width: none; }
  .scan .paths { grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 14px; }
}
@media print { details { border: 0; padding: 0; } .scan .controls { display: none; } }
"""

_SCRIPT = """
for (const scan of document.querySelectorAll('.scan')) {
  const controls = scan.querySelector('.controls'), slider = controls.querySelector('input');
  const told = controls.querySelector('output'), play = controls.querySelector('button');
  const parts = [...scan.querySelectorAll('[data-view]')], last = Number(slider.max);
  let timer = 0;
  const show = () => {
    const now = Number(slider.value);
    for (const part of parts) {
      const view = Number(part.dataset.view);
      part.classList.toggle('later', view > now);
      part.classList.toggle('now', view === now);
    }
    told.textContent = `view ${now} of ${last}`;
    slider.setAttribute('aria-valuetext', told.textContent);
  };
  const stop = () => { clearInterval(timer); timer = 0; play.textContent = 'Play'; };
  play.addEventListener('click', () => {
    if (timer) { stop(); return; }
    slider.value = Number(slider.value) >= last ? 1 : Number(slider.value) + 1;
    show();
    play.textContent = 'Pause';
    timer = setInterval(() => {
      if (Number(slider.value) >= last) { stop(); return; }
      slider.value = Number(slider.value) + 1;
      show();
    }, 700);
  });
  slider.addEventListener('input', () => { stop(); show(); });
  controls.hidden = false;
  show();
}
"""

_PARTS = """
{%- macro sheet(table) %}
<div class="wide" tabindex="0" role="group" aria-label="{{ table.title or 'table' }}"><table>
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
<figure{% if image.width %} class="plot"{% endif %}>
{%- if image.dark %}<div class="wide"><picture>
<source media="(prefers-color-scheme: dark)" srcset="{{ image.dark }}">
<img src="{{ image.light }}" alt="{{ image.alt }}" width="{{ image.width }}"></picture></div>
{%- else %}<img class="card" src="{{ image.light }}" alt="{{ image.alt }}">{% endif %}
<figcaption>{{ image.name }}</figcaption></figure>
{%- endmacro %}

{%- macro pairs(title, values) %}
<table><caption>{{ title }}</caption>
{%- for name, value in values.items() %}<tr><td>{{ name }}</td><td><code>{{ value }}</code></td></tr>{% endfor %}
</table>
{%- endmacro %}

{%- macro drawing(path) %}
<figure><svg viewBox="{{ path.box[0] }} {{ path.box[1] }} {{ path.width }} {{ path.height }}" role="img"
aria-label="{{ path.alt }}">
{%- if path.scene %}<image href="{{ path.scene }}" x="0" y="0" width="{{ path.side[0] }}" height="{{ path.side[1] }}"
preserveAspectRatio="none"/>{% endif %}
{%- for one in path.glimpses if one.frame %}
<g data-view="{{ one.number }}">
{%- if one.arrow %}{% set a = one.arrow %}
<line x1="{{ a[0] }}" y1="{{ a[1] }}" x2="{{ a[2] }}" y2="{{ a[3] }}" stroke="#000" stroke-opacity=".55"
stroke-width="4"/>
<line x1="{{ a[0] }}" y1="{{ a[1] }}" x2="{{ a[2] }}" y2="{{ a[3] }}" stroke="#fff" stroke-width="2"/>
<polygon points="{{ one.tip }}" fill="#fff" stroke="#000" stroke-opacity=".55"/>{% endif %}
<rect class="edge" x="{{ one.frame[0] }}" y="{{ one.frame[1] }}" width="{{ one.frame[2] }}" height="{{ one.frame[3] }}"
fill="none" stroke="{{ one.colour }}" stroke-width="2"/>
<rect x="{{ one.frame[0] }}" y="{{ one.frame[1] }}" width="14" height="15" fill="{{ one.colour }}"/>
<text x="{{ one.frame[0] + 7 }}" y="{{ one.frame[1] + 11.5 }}" font-size="11" font-weight="700" text-anchor="middle"
fill="{{ one.ink }}">{{ one.number }}</text></g>
{%- endfor %}
{%- for one in path.glimpses %}
<g class="thumb" data-view="{{ one.number }}"><image href="{{ one.view }}" x="{{ one.thumb[0] }}" y="{{ one.thumb[1] }}"
width="{{ path.thumb }}" height="{{ path.thumb }}"/>
<rect class="edge" x="{{ one.thumb[0] + 1 }}" y="{{ one.thumb[1] + 1 }}" width="{{ path.thumb - 2 }}"
height="{{ path.thumb - 2 }}" fill="none" stroke="{{ one.colour }}" stroke-width="2"/></g>
{%- endfor %}
</svg><figcaption>{{ path.title }}</figcaption></figure>
{%- endmacro %}

{%- macro scan(paths, sentence) %}
<div class="scan"><div class="controls" hidden>
<button type="button">Play</button>
<input type="range" min="1" max="{{ paths[0].glimpses | length }}" value="{{ paths[0].glimpses | length }}" step="1"
aria-label="fixation"><output></output></div>
<div class="paths">{% for path in paths %}{{ drawing(path) }}{% endfor %}</div>
<p class="under">{{ sentence }}</p></div>
{%- endmacro %}

{%- macro section(one, level) %}
<h{{ level }}>{{ one.title }}</h{{ level }}>
{%- for text in one.notes %}<p class="note">{{ text }}</p>{% endfor %}
{%- for text in one.sentences %}<p>{{ text }}</p>{% endfor %}
{%- for image in one.pictures %}{{ picture(image) }}{% endfor %}
{%- for table in one.tables %}{{ sheet(table) }}{% endfor %}
{%- endmacro %}

{%- macro subject(run, level) %}
<p class="lead">{{ run.lead }}</p>
{%- for text in run.notes %}<p class="note">{{ text }}</p>{% endfor %}
{%- if run.paths %}<h{{ level }}>Where it looks</h{{ level }}>{{ scan(run.paths, run.looks) }}{% endif %}
{%- for one in run.sections %}{{ section(one, level) }}{% endfor %}
<details><summary>Configuration</summary>
<h3>Made by</h3>
<p><code>{{ run.command }}</code></p>
<div class="settings">
{%- for title, values in run.made_by.items() %}{{ pairs(title, values) }}{% endfor %}</div>
<h3>Settings</h3>
<div class="settings">
{%- for title, values in run.settings.items() %}{{ pairs(title, values) }}{% endfor %}</div>
</details>
{%- endmacro %}
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>{{ title }}</title>
<style>{{ style | safe }}</style>
</head>
<body>
<h1>{{ title }}</h1>
<p class="faint">{{ subtitle }}</p>
{%- if runs | length == 1 %}
{{ subject(runs[0], 2) }}
{%- else %}
<p class="lead">{{ lead }}</p>
{%- for one in sections %}{{ section(one, 2) }}{% endfor %}
<h2>Runs</h2>
{%- for run in runs %}
<details><summary>{{ run.name }}</summary>
{{ subject(run, 3) }}
</details>
{%- endfor %}
{%- endif %}
<script>{{ script | safe }}</script>
</body>
</html>
"""


def render(**contents: object) -> str:
    """The page; everything that is put into it is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(_PARTS + _PAGE).render(style=_STYLE, script=_SCRIPT, **contents)
