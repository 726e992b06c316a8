"""The CSS of the pages: for screens, phones, dark mode and paper."""

from __future__ import annotations

CSS = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1c2430; --faint: #56606d; --rule: #d5dbe2; --panel: #f5f7f9;
  --line: #1f4e79; --accent-line: #c8641e;
  --line-2: #4a7d35; --line-3: #7a4f9e; --line-4: #8a6d1b; --line-5: #555555;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181d; --ink: #e6eaef; --faint: #a9b3bf; --rule: #39424d; --panel: #1d232a;
    --line: #7fb2e5; --accent-line: #f0a76a;
    --line-2: #8cc472; --line-3: #c3a0e3; --line-4: #d9bd6b; --line-5: #b8b8b8;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.2rem; max-width: 62rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.5rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; border-bottom: 1px solid var(--rule); }
p.when, figcaption { color: var(--faint); margin: 0 0 1rem; overflow-wrap: anywhere; }
.figures {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr));
  gap: 1rem;
}
figure { margin: 0; background: var(--panel); border-radius: 6px; padding: .6rem; min-width: 0; }
figure svg, figure img { display: block; width: 100%; height: auto; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); gap: .8rem; }
.sheet img { border-radius: 3px; image-rendering: auto; }
.sheet figcaption { margin: .4rem 0 0; font-size: .85rem; }
dl.summary {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr));
  gap: .8rem; margin: 1rem 0;
}
dl.summary div { background: var(--panel); border-radius: 6px; padding: .6rem .8rem; min-width: 0; }
dl.summary dt { color: var(--faint); font-size: .85rem; }
dl.summary dd { margin: 0; font-size: 1.25rem; font-weight: 600; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; width: 100%; }
th, td {
  padding: .3rem .6rem; border-bottom: 1px solid var(--rule); text-align: left;
  vertical-align: top;
}
td { overflow-wrap: anywhere; }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tr.best td { font-weight: 700; }
th[scope=row] { font-weight: 600; white-space: nowrap; }
@media print {
  body { max-width: none; padding: 0; font-size: 11px; }
  figure, dl.summary div { background: none; border: 1px solid var(--rule); break-inside: avoid; }
  .scroll { overflow: visible; }
  tr { break-inside: avoid; }
}
"""
