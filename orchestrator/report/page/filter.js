"use strict";
// Narrows the tables of open findings. Without it everything is simply shown.
(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  const words = document.getElementById("words");
  const shown = document.getElementById("shown");
  const levels = [...document.querySelectorAll(".level")].map((level) => ({
    level,
    bodies: [...level.querySelectorAll("tbody")].map((body) => {
      const account = body.querySelector(".account").textContent.toLowerCase();
      const rows = [...body.querySelectorAll(".row")].map((row) => [row, account + " " + row.textContent.toLowerCase()]);
      return { body, rows };
    }),
  }));
  const total = levels.reduce((sum, { bodies }) => sum + bodies.reduce((n, { rows }) => n + rows.length, 0), 0);

  function apply() {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const picked = new Set([...form.querySelectorAll("input:checked")].map((box) => box.value));
    let left = 0;
    for (const { level, bodies } of levels) {
      const on = picked.has(level.dataset.severity);
      level.hidden = !on;
      for (const { body, rows } of on ? bodies : []) {
        let hits = 0;
        for (const [row, text] of rows) {
          row.hidden = !wanted.every((word) => text.includes(word));
          hits += row.hidden ? 0 : 1;
        }
        body.hidden = hits === 0;
        left += hits;
      }
    }
    shown.textContent = left === total ? "" : `${left.toLocaleString("en")} of ${total.toLocaleString("en")} rows`;
  }

  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
})();
