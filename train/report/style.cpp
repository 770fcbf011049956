#include "train/report/page.h"

namespace ktrain::report {

// Series colours: Okabe and Ito, "Color Universal Design" (2008).
std::string style() {
  return R"css(:root {
  --paper: #fff; --ink: #1a1a1a; --soft: #5c5c5c; --line: #d4d4d4; --grid: #ececec; --mark: #fff3d6;
  --none: #dcdcdc; --none-line: #bdbdbd;
  --k0: #0072b2; --k1: #d55e00; --k2: #009e73; --k3: #cc79a7; --k4: #e69f00; --k5: #56b4e9; --k6: #444; --k7: #8a6d3b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181b; --ink: #e6e6e6; --soft: #a0a4a8; --line: #44484d; --grid: #2a2d31; --mark: #3b321c;
    --none: #3a3d41; --none-line: #55595e;
    --k0: #4aa8e0; --k1: #f0803c; --k2: #2fc79b; --k3: #dd9cc0; --k4: #f0b73a; --k5: #8fd0f5; --k6: #c8c8c8; --k7: #c0a36f;
  }
}
* { box-sizing: border-box; }
html { background: var(--paper); color: var(--ink); }
body { margin: 0 auto; max-width: 70rem; padding: 2.5rem 1.5rem 4rem; font: 16px/1.5 Charter, "Bitstream Charter", "Sitka Text", Cambria, Georgia, serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .6rem; font-weight: 600; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.8rem 0 .8rem; padding-top: .7rem; border-top: 1px solid var(--ink); font-weight: 600; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; font-weight: 600; overflow-wrap: anywhere; }
p, ul, ol { margin: .4rem 0; }
ul.plain { padding-left: 1.2rem; }
a { color: inherit; text-decoration-color: var(--line); text-underline-offset: 3px; }
.kind { font-variant-caps: all-small-caps; letter-spacing: .08em; color: var(--soft); margin: 0; }
.abstract { max-width: 46rem; font-size: 1.05rem; }
.by, nav, figcaption, .absent { color: var(--soft); font-size: .9rem; }
nav { margin-top: 1rem; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; }
.absent { border-left: 2px solid var(--line); padding-left: .7rem; font-style: italic; overflow-wrap: anywhere; }
figure { margin: 1.2rem 0 1.8rem; break-inside: avoid; }
figure.table { break-inside: auto; }
figcaption { max-width: 52rem; margin-top: .5rem; }
figure.table figcaption { margin: 0 0 .5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; border-top: 1.5px solid var(--ink); border-bottom: 1.5px solid var(--ink); }
thead th { border-bottom: .75px solid var(--ink); font-weight: 600; text-align: left; vertical-align: bottom; }
th, td { padding: .28rem .8rem .28rem 0; text-align: left; vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
tbody th { font-weight: 400; }
th.num, td.num { text-align: right; white-space: nowrap; } td.num { font-variant-numeric: tabular-nums lining-nums; white-space: nowrap; }
tr.differs > * { background: var(--mark); }
tr.level-alarm td:nth-child(2) { color: var(--k1); font-weight: 600; }
tr.level-warn td:nth-child(2) { color: var(--k4); font-weight: 600; }
.alarms td:last-child { min-width: 22rem; } .decisions td { min-width: 7rem; } .decisions td.num { min-width: 0; } .hypotheses td:nth-child(4) { min-width: 18rem; }
.criterion { color: var(--soft); padding-left: .8rem; } td.status-supported { font-weight: 600; color: var(--k1); } td.status-refuted { font-weight: 600; color: var(--k0); } td.status-open { color: var(--soft); font-style: italic; }
code, pre { font: .84em/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; color: var(--soft); }
details > code { display: block; white-space: pre-wrap; }
summary { cursor: pointer; color: var(--soft); font-size: .9rem; }
dl { display: grid; grid-template-columns: minmax(9rem, 17rem) 1fr; gap: .15rem 1rem; font-size: .9rem; margin: .4rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.grid2, .grid3, .grid4 { display: grid; gap: 1.1rem 1.4rem; align-items: start; }
.grid2 { grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); }
.grid3 { grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
.grid4 { grid-template-columns: repeat(auto-fit, minmax(min(100%, 14.5rem), 1fr)); }
svg { display: block; width: 100%; height: auto; font: 10.5px/1 "Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif; }
.chart { max-width: 36rem; } .key-strip { max-width: 36rem; margin-top: .6rem; } .multiples { min-width: 52rem; } .multiples svg { max-width: none !important; } svg.defs { position: absolute; width: 0; height: 0; }
.tick, .note { fill: var(--soft); font-variant-numeric: tabular-nums; } .label, .title { fill: var(--ink); }
.title { font-size: 11.5px; font-weight: 600; }
.grid { stroke: var(--grid); fill: none; } .axis { stroke: var(--soft); fill: none; } .rule { stroke: var(--soft); stroke-dasharray: 2 3; fill: none; }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round; } .dashed { stroke-dasharray: 5 3; stroke-width: 1.3; }
.band { stroke: none; fill-opacity: .18; } .hit { fill: transparent; stroke: none; }
.bar { fill: none; stroke: var(--c); stroke-width: 1.2; } .bar.none, .dot.none { --c: var(--none-line); }
.hit:hover, .dot:hover { stroke: var(--ink); stroke-width: 1.2; } .cell { stroke: var(--paper); stroke-width: .6; } .cell:hover { stroke: var(--ink); stroke-width: 1.4; }
.hatch-ground { fill: var(--none); } .hatch-line { stroke: var(--none-line); stroke-width: 1.2; }
.in { fill: #1a1a1a; font-size: 9.5px; pointer-events: none; } .in.light { fill: #fff; }
.c0 { --c: var(--k0); } .c1 { --c: var(--k1); } .c2 { --c: var(--k2); } .c3 { --c: var(--k3); } .c4 { --c: var(--k4); } .c5 { --c: var(--k5); } .c6 { --c: var(--k6); } .c7 { --c: var(--k7); }
.line { stroke: var(--c); } .dot, .band { fill: var(--c); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0 1rem; margin: 0; padding: 0; min-height: 1.2rem; font: 12px/1.5 "Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif; color: var(--soft); }
.key { display: inline-block; width: 1.3rem; height: 0; border-top: 2.5px solid var(--c); vertical-align: middle; margin-right: .35rem; } .key.dashed { border-top-style: dashed; } .dot-key { width: .5rem; height: .5rem; border: 0; border-radius: 50%; background: var(--c); }
figure > .legend { margin-bottom: .5rem; }
.pairs { display: grid; gap: 1rem 1.6rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .3rem; break-inside: avoid; } .pair p { grid-column: 1 / -1; margin: 0; font-size: .85rem; color: var(--soft); }
.photo { background: #222; } .box { fill: transparent; stroke-width: 1.6; vector-effect: non-scaling-stroke; }
.hit-box { stroke: #5cc0ff; --b: #5cc0ff; } .false-box { stroke: #ff9d1e; --b: #ff9d1e; } .missed-box { stroke: #fff; --b: #999; stroke-dasharray: 4 2; } .ignored-box { stroke: #9aa0a6; --b: #9aa0a6; stroke-dasharray: 1 2; }
.key-box { white-space: nowrap; border-bottom: 2px solid var(--b); } .key-box.missed-box { border-bottom-style: dashed; } .key-box.ignored-box { border-bottom-style: dotted; }
#tip { position: fixed; z-index: 9; max-width: 26rem; padding: .3rem .55rem; background: var(--ink); color: var(--paper); font: 12px/1.4 "Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif; border-radius: 3px; pointer-events: none; overflow-wrap: anywhere; }
#tip[hidden] { display: none; }
@page { margin: 15mm 14mm; }
@media print {
  :root { --paper: #fff; --ink: #000; --soft: #444; --line: #bbb; --grid: #e6e6e6; --mark: #fff3d6; --none: #dcdcdc; --none-line: #bdbdbd;
    --k0: #0072b2; --k1: #d55e00; --k2: #009e73; --k3: #cc79a7; --k4: #e69f00; --k5: #56b4e9; --k6: #444; --k7: #8a6d3b; }
  .multiples { min-width: 0; } .scroll { overflow: visible; } figure.table { font-size: 9pt; } .pairs { grid-template-columns: 1fr 1fr; }
  body { max-width: none; padding: 0; font-size: 10pt; } nav, #tip, summary { display: none; } h2 { break-after: avoid; } .grid2 { grid-template-columns: 1fr 1fr; } html { font-size: 13px; } .grid3 { grid-template-columns: 1fr 1fr; } svg { font-size: 11.5px; }
  .cell, .box, .photo, .hatch-ground, tr.differs > * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
)css";
}

}  // namespace ktrain::report
