"""How every page looks: one template, one style, no script, nothing from elsewhere."""

from __future__ import annotations

__all__ = ["PAGE", "STYLE"]

# Inside an element, text and ground are the reader's: a notebook has its own theme. Only edges and accents are ours, in tones that
# show on light and on dark; a page sets both sides.
STYLE = """
.dpo-theory { font: 14px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
.dpo-theory h1 { font-size: 1.5em; line-height: 1.25; margin: 0.6em 0; }
.dpo-theory h2 { font-size: 1.2em; margin: 1.2em 0 0.4em; }
.dpo-theory a { color: inherit; }
.dpo-theory table { border-collapse: collapse; }
.dpo-theory caption { text-align: left; font-weight: 600; padding: 0.5em 0; }
.dpo-theory th, .dpo-theory td { text-align: left; vertical-align: top; padding: 0.3em 0.8em; border-bottom: 1px solid #8886; }
.dpo-theory td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.dpo-theory tr.failed > * { border-bottom-color: var(--bad, #e5484d); }
.dpo-theory tr.failed > th { border-left: 4px solid var(--bad, #e5484d); }
.dpo-theory .bad { color: var(--bad, #e5484d); font-weight: 600; }
.dpo-theory .good { color: var(--good, #299764); font-weight: 600; }
.dpo-theory pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0.5em 0; font: 12.5px/1.45 ui-monospace, monospace; }
.dpo-theory summary { cursor: pointer; }
.dpo-theory dt { font-weight: 600; }
.dpo-theory dd { margin: 0 0 0.4em 1em; }
.dpo-theory .steps { padding-left: 1.6em; }
.dpo-theory .steps li { margin-bottom: 0.8em; }
.dpo-theory .formula { overflow-x: auto; overflow-y: hidden; max-width: 100%; padding: 0.3em 0; }
.dpo-theory .formula math { display: inline-block; width: max-content; }
.dpo-theory figure { margin: 0.8em 0; padding: 0.4em; background: white; color: black; max-width: max-content; }
.dpo-theory figure svg { max-width: 100%; height: auto; display: block; }
.dpo-theory .small { font-size: 85%; opacity: 0.8; }
@media (max-width: 48em) {
  .dpo-theory table:not(.rows) { display: block; overflow-x: auto; }
  .dpo-theory table.rows, .dpo-theory .rows tbody, .dpo-theory .rows tr, .dpo-theory .rows caption { display: block; }
  .dpo-theory .rows th, .dpo-theory .rows td { display: block; border: 0; padding: 0.1em 0; }
  .dpo-theory .rows thead { display: none; }
  .dpo-theory .rows tr { border-bottom: 1px solid #8886; padding: 0.6em 0; }
  .dpo-theory .rows tr.failed { border-left: 4px solid var(--bad, #e5484d); padding-left: 0.6em; }
  .dpo-theory .rows tr.failed > th { border: 0; }
  .dpo-theory .rows td.number { text-align: left; display: inline-block; margin-right: 1em; }
  .dpo-theory .rows td.number:empty { display: none; }
  .dpo-theory .rows td.number::before { content: attr(data-name) " "; opacity: 0.7; }
}
@media print {
  .dpo-theory details::details-content { content-visibility: visible; height: auto; }
  .dpo-theory details > :not(summary) { display: block; }
  .dpo-theory .formula { overflow: visible; }
  .dpo-theory tr, .dpo-theory .steps li, .dpo-theory figure { break-inside: avoid; }
}
"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ground: #ffffff; --ink: #1a1d21; --bad: #b3261e; --good: #17693c; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ground: #16181c; --ink: #e4e6ea; --bad: #ff8a80; --good: #6fd39b; }} }}
@media print {{ :root {{ color-scheme: light; --ground: #ffffff; --ink: #000000; --bad: #b3261e; --good: #17693c; }} }}
body {{ margin: 1.5em auto; max-width: 90em; padding: 0 1em; background: var(--ground); color: var(--ink); }}
</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
