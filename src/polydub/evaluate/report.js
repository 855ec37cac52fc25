"use strict";
(function () {
  const root = document.documentElement;
  const dark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const theme = document.getElementById("theme");
  theme.hidden = false;
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; });

  const body = document.querySelector("table.lines tbody");
  if (!body) return;
  document.querySelector(".controls").hidden = false;
  const rows = Array.from(body.rows);
  const order = document.getElementById("order");
  const speaker = document.getElementById("speaker");
  const look = document.getElementById("look");
  const nothing = document.getElementById("nothing");

  function show() {
    const film = (a, b) => a.dataset.film - b.dataset.film;
    const worst = (a, b) => b.dataset.concern - a.dataset.concern || film(a, b);
    rows.sort(order.value === "worst" ? worst : film);
    let visible = 0;
    for (const row of rows) {
      row.hidden =
        (speaker.value !== "" && row.dataset.speaker !== speaker.value) ||
        (look.checked && row.dataset.concern < 1);
      visible += row.hidden ? 0 : 1;
      body.append(row);
    }
    nothing.hidden = visible > 0;
  }

  for (const control of [order, speaker, look]) control.addEventListener("change", show);
  window.addEventListener("hashchange", () => {
    const row = document.getElementById(location.hash.slice(1));
    if (row && row.hidden) { speaker.value = ""; look.checked = false; show(); row.scrollIntoView(); }
  });
  document.addEventListener("play", (event) => {
    for (const other of document.querySelectorAll("audio")) if (other !== event.target) other.pause();
  }, true);
})();
