#include "train/report/page.h"

namespace ktrain::report {

// Each <title> becomes a tooltip without delay, at the pointer and at the focus.
std::string script() {
  return R"js("use strict";
(function () {
  const tip = document.getElementById("tip");
  function place(x, y) {
    const w = tip.offsetWidth, h = tip.offsetHeight;
    tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - w - 4)) + "px";
    tip.style.top = (y + 18 + h > innerHeight ? y - h - 10 : y + 18) + "px";
  }
  function hide() { tip.hidden = true; }
  for (const title of document.querySelectorAll("svg title")) {
    const mark = title.parentNode;
    if (mark.tagName === "svg") continue;
    mark.setAttribute("data-tip", title.textContent);
    mark.setAttribute("aria-label", title.textContent);
    title.remove();
  }
  addEventListener("pointermove", function (event) {
    const mark = event.target.closest ? event.target.closest("[data-tip]") : null;
    if (!mark) return hide();
    tip.textContent = mark.getAttribute("data-tip");
    tip.hidden = false;
    place(event.clientX, event.clientY);
  });
  addEventListener("scroll", hide, { passive: true });
})();
)js";
}

}  // namespace ktrain::report
