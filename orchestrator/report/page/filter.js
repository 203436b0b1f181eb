"use strict";
// Narrows the tables of findings, and keeps what they are narrowed to in the page's address, so that it can be
// handed on: report.html#severity=critical&account=1234. Without it everything is simply shown.
(() => {
  for (const block of document.querySelectorAll(".block")) {
    // What is not in sight is not laid out, so its height is a guess: this one makes the scroll bar honest.
    const rows = block.querySelector("tbody").rows.length;
    block.style.containIntrinsicHeight = `auto ${40 + 76 * rows}px`;
  }
  const form = document.getElementById("filter");
  if (!form) return;
  const words = document.getElementById("words");
  const shown = document.getElementById("shown");
  const narrowed = document.getElementById("narrowed");
  const boxes = [...form.querySelectorAll("input[type=checkbox]")];
  const lists = [...form.querySelectorAll("select")];
  let levels;

  // Made once, at the first use: what every row is narrowed by. `on` is what is shown now, so that only changes are
  // written.
  function read() {
    return [...document.querySelectorAll(".level")].map((level) => ({
      level,
      on: true,
      blocks: [...level.querySelectorAll(".block")].map((block) => readBlock(block, level.dataset)),
    }));
  }

  function readBlock(block, { status, severity }) {
    const caption = block.querySelector("caption").textContent.toLowerCase();
    const account = block.dataset.account;
    const rows = [...block.querySelector("tbody").rows].map((row) => {
      const [group, , check] = row.cells;
      return {
        row,
        on: true,
        text: `${caption} ${row.textContent.toLowerCase()}`,
        account,
        status,
        severity: severity ?? check.querySelector(".sev").classList[1],
        region: group.querySelector("small span").textContent,
        check: check.querySelector("code").textContent,
        owner: row.dataset.owner,
        exposure: row.dataset.exposure ?? "unknown",
      };
    });
    return { block, rows, on: true };
  }

  // What is asked for: words, severities, and the lists that something is chosen from.
  function asked() {
    const picked = boxes.filter((box) => box.checked).map((box) => box.value);
    const chosen = lists.filter((list) => list.value).map((list) => [list.name, list.value]);
    return { words: words.value.trim(), picked, chosen };
  }

  function inWords({ words: text, picked, chosen }) {
    const parts = new URLSearchParams(chosen);
    if (picked.length < boxes.length) parts.set("severity", picked.join(","));
    if (text) parts.set("words", text);
    return parts;
  }

  function narrow(block, holds) {
    let hits = 0;
    for (const one of block.rows) hits += one.hit = holds(one);
    if (block.on !== hits > 0) block.block.hidden = !(block.on = hits > 0);
    // The rows of a block that is hidden whole stay as they are.
    if (block.on) {
      for (const one of block.rows) if (one.on !== one.hit) one.row.hidden = !(one.on = one.hit);
    }
    return hits;
  }

  function matcher({ words: text, picked, chosen }) {
    const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
    const severities = new Set(picked);
    return (one) =>
      severities.has(one.severity) &&
      chosen.every(([key, value]) => one[key] === value) &&
      wanted.every((word) => one.text.includes(word));
  }

  function apply() {
    levels ??= read();
    const wish = asked();
    const holds = matcher(wish);
    let left = 0;
    let total = 0;
    for (const one of levels) {
      let hits = 0;
      for (const block of one.blocks) {
        total += block.rows.length;
        hits += narrow(block, holds);
      }
      if (one.on !== hits > 0) one.level.hidden = !(one.on = hits > 0);
      left += hits;
    }
    tell(wish, left, total);
  }

  function tell(wish, left, total) {
    const told = filled(shown, { left: left.toLocaleString("en"), total: total.toLocaleString("en") });
    shown.textContent = left === total ? "" : told;
    narrowed.hidden = left === total;
    narrowed.textContent = filled(narrowed, { told, by: [...inWords(wish)].map((pair) => pair.join(" ")).join(", ") });
  }

  // What an element says, in the page's language, with the values in it.
  function filled(element, values) {
    return element.dataset.told.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  }

  // --- the address

  let waiting;

  // Browsers bear only so many changes of the address in a while: one follows when the typing pauses.
  function keep() {
    clearTimeout(waiting);
    waiting = setTimeout(() => history.replaceState(null, "", `#${inWords(asked())}`), 200);
  }

  // Takes the wish from the address; one that only leads to a place of the page is none.
  function take() {
    const parts = new URLSearchParams(location.hash.slice(1));
    const known = ["words", "severity", ...lists.map((list) => list.name)];
    if (!known.some((key) => parts.has(key))) return false;
    words.value = parts.get("words") ?? "";
    const picked = parts.get("severity")?.split(",");
    for (const box of boxes) box.checked = !picked || picked.includes(box.value);
    for (const list of lists) choose(list, parts.get(list.name) ?? "");
    apply();
    return true;
  }

  // A value that this page does not have is asked for all the same: it finds nothing, which is true.
  function choose(list, value) {
    if (![...list.options].some((option) => option.value === value)) list.add(new Option(value, value));
    list.value = value;
  }

  form.hidden = false;
  words.addEventListener("focus", () => (levels ??= read()));
  form.addEventListener("input", () => (apply(), keep()));
  form.addEventListener("reset", () => setTimeout(() => (apply(), keep())));
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => take() && form.scrollIntoView());
  take();
})();
