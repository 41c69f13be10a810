"use strict";
(() => {
  const byId = id => document.getElementById(id);
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  const say = text => { byId("said").textContent = text; };

  // ---- light and dark ------------------------------------------------------------------------------------------------
  const root = document.documentElement;
  const button = byId("theme");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const nameTheme = () => { button.textContent = isDark() ? "Light" : "Dark"; button.setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colours`); };
  button.hidden = false;
  nameTheme();
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; nameTheme(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);

  // ---- copying -------------------------------------------------------------------------------------------------------
  const copyOldWay = text => {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  document.addEventListener("click", async event => {
    const copy = event.target.closest(".copy");
    if (!copy) return;
    let done = true;
    try { await navigator.clipboard.writeText(copy.dataset.copy); } catch { done = copyOldWay(copy.dataset.copy); }
    const label = copy.firstChild;
    const before = copy.dataset.label || (copy.dataset.label = label.textContent);
    label.textContent = done ? "Copied" : "Copying is not allowed here";
    say(label.textContent);
    copy.focus();
    setTimeout(() => { label.textContent = before; }, 1600);
  });

  // ---- going to a finding, wherever it is folded away ------------------------------------------------------------------
  const show = id => {
    const card = byId(id);
    if (!card) return false;
    for (let fold = card.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    card.scrollIntoView({ block: "start" });
    card.focus({ preventScroll: true });
    return true;
  };
  document.addEventListener("click", event => {
    const link = event.target.closest("a[href^='#F']");
    if (link && show(link.getAttribute("href").slice(1))) event.preventDefault();
  });
  const byHash = () => { if (/^#F\d+$/.test(location.hash)) show(location.hash.slice(1)); };
  addEventListener("hashchange", byHash);

  // ---- tooltip -------------------------------------------------------------------------------------------------------
  const tip = byId("tip");
  const showTip = (text, box) => {
    tip.textContent = text;
    tip.hidden = false;
    const own = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, box.left + box.width / 2 - own.width / 2), innerWidth - own.width - 8);
    const above = box.top - own.height - 10;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 4 ? above : box.bottom + 10}px`;
  };
  const hideTip = () => { tip.hidden = true; };
  addEventListener("scroll", hideTip, { passive: true });
  addEventListener("keydown", event => { if (event.key === "Escape") hideTip(); });

  // ---- drawings ------------------------------------------------------------------------------------------------------
  const charWidth = 6.6;
  const setups = new Map();

  class Plot {
    constructor(svg) {
      this.svg = svg;
      this.gutter = +svg.dataset.gutter;
      this.right = +svg.dataset.right;
      this.from = 0;
      this.to = 1;
      this.scale = "u";
      this.zooms = svg.classList.contains("zoom");
      this.at = all("[data-u]", svg);
      this.bands = all("[data-u0]", svg);
      this.full = all(".full", svg);
      this.marks = all(".axis", svg);
      // Labels of timers, and on which side of its line each stands where there is room.
      this.names = all(".timername", svg).map(text => ({ text, line: text.closest("[data-u]"), left: text.getAttribute("text-anchor") === "end" }));
      // Bands first, then events, each in time order: what the arrow keys walk through.
      this.events = all(".ev", svg).sort((a, b) => this.time(a) - this.time(b));
      for (const group of all("g", svg)) {
        const title = group.querySelector(":scope > title");
        if (!title) continue;
        group.dataset.tip = title.textContent;
        if (group.classList.contains("ev")) { group.setAttribute("aria-label", title.textContent.replace(/\n/g, ", ")); title.remove(); }
      }
      for (const title of all(".ok > title, .timer > title", svg)) title.remove();
      this.listen();
      if (this.zooms) this.tools();
      this.layout();
    }

    time(element) {
      const data = element.dataset;
      if (data.u0 !== undefined) return +data.u0;
      if (data.u !== undefined) return +data.u;
      const first = element.querySelector("[data-u0]");
      return first ? +first.dataset.u0 : 0;
    }

    share(element, end = "") {
      const data = element.dataset;
      const value = this.scale === "v" && data[`v${end}`] !== undefined ? data[`v${end}`] : data[`u${end}`];
      return +value;
    }

    x(share) { return this.gutter + (share - this.from) / (this.to - this.from) * (this.width - this.gutter - this.right); }

    layout() {
      const width = this.svg.parentElement.clientWidth;
      if (!width) return;
      const style = getComputedStyle(this.svg.parentElement);
      this.width = Math.max(280, width - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight));
      const box = this.svg.viewBox.baseVal;
      this.svg.setAttribute("viewBox", `0 0 ${this.width} ${box.height}`);
      const low = this.gutter - 1, high = this.width - this.right + 1;
      for (const element of this.full) {
        if (element.tagName === "rect") element.setAttribute("width", Math.max(0, this.width - this.gutter - this.right));
        else element.setAttribute("x2", this.width - this.right);
      }
      for (const element of this.at) {
        const x = this.x(this.share(element));
        const seen = x >= low - 4 && x <= high + 4;
        element.classList.toggle("hid", !seen);
        if (seen) element.setAttribute("transform", `translate(${x.toFixed(1)} 0)`);
      }
      for (const element of this.bands) {
        const from = Math.max(this.x(this.share(element, "0")), low), to = Math.min(this.x(this.share(element, "1")), high);
        element.classList.toggle("hid", to < low || from > high);
        this.stretch(element, from, Math.max(to, from));
      }
      const taken = [];
      for (const { text, line, left } of this.names) {
        const x = this.x(this.share(line)), room = text.textContent.length * charWidth * 1.08 + 6;
        const fits = [x + room <= this.width, x - room >= 0];
        const before = left ? fits[1] || !fits[0] : !fits[0] && fits[1];
        text.setAttribute("text-anchor", before ? "end" : "start");
        const offset = before ? -6 : fits[0] ? 6 : Math.max(this.width - x - room, -x);
        text.setAttribute("x", offset);
        const box = { row: text.getAttribute("y"), from: before ? x - room : x + offset, to: before ? x : x + offset + room };
        const covered = taken.some(other => other.row === box.row && other.from < box.to && box.from < other.to);
        text.classList.toggle("hid", covered);
        if (!covered) taken.push(box);
      }
      let end = -Infinity;
      for (const mark of this.marks) {
        const x = this.x(this.share(mark)), text = mark.querySelector("text"), half = text.textContent.length * charWidth / 2;
        const fits = !mark.classList.contains("hid") && x - half > end;
        text.classList.toggle("hid", !fits);
        if (fits) end = x + half + 8;
      }
      if (this.zooms && this.events.some(event => event.dataset.p !== undefined)) this.label();
      this.svg.toggleAttribute("data-zoomed", this.to - this.from < 0.999);
    }

    stretch(element, from, to) {
      const width = Math.max(to - from, +(element.dataset.least || 0));
      if (element.tagName === "line") { element.setAttribute("x1", from); element.setAttribute("x2", to); return; }
      const rect = element.tagName === "rect" ? element : element.querySelector("rect");
      rect.setAttribute("x", from.toFixed(1));
      rect.setAttribute("width", width.toFixed(1));
      const text = element.querySelector("text");
      if (text) {
        text.setAttribute("x", ((from + to) / 2).toFixed(1));
        text.classList.toggle("hid", text.textContent.length * charWidth + 6 > width);
      }
    }

    // The important labels first, each where it covers no other.
    label() {
      const rows = { a0: [], a1: [], b0: [], b1: [], t: [] };
      const free = (row, from, to) => rows[row].every(([begin, end]) => to + 8 < begin || from - 8 > end);
      const marks = this.events.filter(event => event.dataset.p !== undefined && !event.classList.contains("hid"));
      marks.sort((a, b) => a.dataset.p - b.dataset.p);
      for (const event of marks) {
        const x = this.x(this.share(event));
        const text = event.querySelector(".lb");
        if (text) {
          const baseline = text.dataset.y === undefined ? (text.dataset.y = text.getAttribute("y")) : text.dataset.y;
          const below = baseline > this.svg.viewBox.baseVal.height / 2;
          const width = text.textContent.length * charWidth;
          const left = Math.max(0, Math.min(x - width / 2, this.width - width));
          const row = [0, 1].find(number => free((below ? "b" : "a") + number, left, left + width));
          text.classList.toggle("hid", row === undefined);
          if (row !== undefined) {
            rows[(below ? "b" : "a") + row].push([left, left + width]);
            const first = below ? +this.svg.dataset.below : +this.svg.dataset.above;
            text.setAttribute("y", first + (below ? 15 : -15) * row);
            text.setAttribute("x", (left + width / 2 - x).toFixed(1));
          }
        }
        const tick = event.querySelector(".tick");
        const half = tick.textContent.length * charWidth / 2;
        const fits = free("t", x - half, x + half);
        tick.classList.toggle("hid", !fits);
        if (fits) rows.t.push([x - half, x + half]);
      }
    }

    zoom(factor, around = 0.5) {
      const span = Math.min(1, Math.max(1e-7, (this.to - this.from) * factor));
      const centre = this.from + (this.to - this.from) * around;
      this.window(centre - span * around, span);
    }

    pan(part) { this.window(this.from + (this.to - this.from) * part, this.to - this.from); }

    window(from, span) {
      this.from = Math.min(Math.max(0, from), 1 - span);
      this.to = this.from + span;
      this.layout();
    }

    reveal(event) {
      const share = event.dataset.u0 !== undefined ? (this.share(event, "0") + this.share(event, "1")) / 2 : event.dataset.u !== undefined ? this.share(event) : null;
      if (share !== null && (share < this.from || share > this.to)) this.window(share - (this.to - this.from) / 2, this.to - this.from);
    }

    tools() {
      const bar = this.svg.parentElement.querySelector(".tools");
      const add = (text, label, act) => {
        const made = document.createElement("button");
        made.type = "button";
        made.textContent = text;
        made.setAttribute("aria-label", label);
        made.addEventListener("click", () => act(made));
        bar.append(made);
        return made;
      };
      add("−", "Zoom out", () => this.zoom(2));
      add("+", "Zoom in", () => this.zoom(0.5));
      add("Whole", "Show the whole connection", () => this.window(0, 1));
      if (this.events.some(event => event.dataset.v !== undefined)) {
        const scale = add("To scale", "Time to scale", () => {
          this.scale = this.scale === "u" ? "v" : "u";
          scale.setAttribute("aria-pressed", this.scale === "v");
          scale.textContent = this.scale === "v" ? "Room for all" : "To scale";
          this.window(0, 1);
        });
        scale.setAttribute("aria-pressed", "false");
      }
      bar.hidden = false;
    }

    listen() {
      const svg = this.svg;
      const over = event => event.target.closest("[data-tip]");
      svg.addEventListener("pointermove", event => {
        const target = over(event);
        if (target) showTip(target.dataset.tip, { left: event.clientX, width: 0, top: event.clientY - 4, bottom: event.clientY + 8 }); else hideTip();
      });
      svg.addEventListener("pointerleave", hideTip);
      svg.addEventListener("focusin", event => {
        const target = over(event);
        if (target) showTip(target.dataset.tip, target.getBoundingClientRect());
      });
      svg.addEventListener("focusout", hideTip);
      svg.addEventListener("click", event => {
        const target = event.target.closest("[data-f]");
        if (target && !svg.closest(`#${target.dataset.f}`)) show(target.dataset.f);
      });
      svg.addEventListener("keydown", event => this.key(event));
      if (!this.zooms) return;
      svg.addEventListener("wheel", event => {
        // The page scrolls as ever; with Ctrl, or once zoomed in, the wheel is the drawing's.
        if (!event.ctrlKey && !event.metaKey && !event.shiftKey && this.to - this.from > 0.999) return;
        event.preventDefault();
        if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) { this.pan((event.deltaX || event.deltaY) / 800); return; }
        const box = svg.getBoundingClientRect();
        const around = (event.clientX - box.left - this.gutter) / (this.width - this.gutter - this.right);
        this.zoom(Math.exp(event.deltaY / 300), Math.min(1, Math.max(0, around)));
      }, { passive: false });
      svg.addEventListener("dblclick", event => {
        const box = svg.getBoundingClientRect();
        this.zoom(0.5, Math.min(1, Math.max(0, (event.clientX - box.left - this.gutter) / (this.width - this.gutter - this.right))));
      });
      let dragged = null;
      svg.addEventListener("pointerdown", event => { if (this.to - this.from < 0.999) { dragged = event.clientX; svg.setPointerCapture(event.pointerId); } });
      svg.addEventListener("pointermove", event => {
        if (dragged === null) return;
        this.pan((dragged - event.clientX) / (this.width - this.gutter - this.right));
        dragged = event.clientX;
      });
      svg.addEventListener("pointerup", () => { dragged = null; });
    }

    key(event) {
      const here = this.events.indexOf(document.activeElement);
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      let target = null;
      if (step) target = this.events[Math.min(this.events.length - 1, Math.max(0, here < 0 ? (step > 0 ? 0 : this.events.length - 1) : here + step))];
      else if (event.key === "Home") target = this.events[0];
      else if (event.key === "End") target = this.events[this.events.length - 1];
      else if (this.zooms && (event.key === "+" || event.key === "=")) this.zoom(0.5, this.around());
      else if (this.zooms && event.key === "-") this.zoom(2, this.around());
      else if (this.zooms && event.key === "0") this.window(0, 1);
      else if (event.key === "Enter" && here >= 0 && this.events[here].dataset.f) show(this.events[here].dataset.f);
      else return;
      event.preventDefault();
      if (target) { this.reveal(target); target.focus({ preventScroll: true }); }
    }

    around() {
      const element = document.activeElement;
      if (!this.events.includes(element) || element.dataset.u === undefined) return 0.5;
      return Math.min(1, Math.max(0, (this.share(element) - this.from) / (this.to - this.from)));
    }
  }

  // A drawing is set up when it is first seen: a page of two hundred opens as fast as one of two.
  const setUp = svg => { if (!setups.has(svg)) setups.set(svg, new Plot(svg)); return setups.get(svg); };
  const watcher = new IntersectionObserver(entries => {
    for (const entry of entries) if (entry.isIntersecting) { setUp(entry.target); watcher.unobserve(entry.target); }
  }, { rootMargin: "600px" });
  const plots = all("svg.plot");
  for (const svg of plots) {
    watcher.observe(svg);
    svg.addEventListener("focus", () => setUp(svg).layout());
  }
  let pending = 0;
  const layoutAll = () => { pending = 0; for (const plot of setups.values()) plot.layout(); };
  addEventListener("resize", () => { if (!pending) pending = requestAnimationFrame(layoutAll); });
  document.addEventListener("toggle", event => {
    if (event.target.open) for (const svg of all("svg.plot", event.target)) { if (setups.has(svg)) setups.get(svg).layout(); }
  }, true);

  // ---- printing: everything that is folded, except the copies of the timelines ------------------------------------------
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details:not([open])").filter(fold => !fold.classList.contains("events"));
    for (const fold of folded) fold.open = true;
  });
  addEventListener("afterprint", () => { for (const fold of folded) fold.open = false; folded = []; });

  // ---- the table of connections ------------------------------------------------------------------------------------------
  const data = JSON.parse(byId("data").textContent);
  const count = data.s.length;
  const number = value => value.toLocaleString("en-US");
  const trim = text => text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  // The same words as the rest of the report; spans are whole microseconds.
  const duration = micros => {
    if (micros < 1000) return micros ? `${micros} µs` : "0 s";
    if (micros < 99950) return `${trim((Math.round(micros / 100) / 10).toFixed(1))} ms`;
    if (micros < 999500) return `${Math.round(micros / 1000)} ms`;
    if (micros < 119999500) return `${trim((Math.round(micros / 1000) / 1000).toFixed(3))} s`;
    const seconds = Math.round(micros / 1e6);
    const two = (large, a, small, b) => small ? `${large} ${a} ${small} ${b}` : `${large} ${a}`;
    if (seconds < 3600) return two(Math.floor(seconds / 60), "min", seconds % 60, "s");
    if (seconds < 86400) return two(Math.floor(seconds / 3600), "h", Math.floor(seconds % 3600 / 60), "min");
    return two(Math.floor(seconds / 86400), "d", Math.floor(seconds % 86400 / 3600), "h");
  };
  const octets = value => {
    for (const [shift, name] of [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) if (value >= shift) return `${trim((value / shift).toFixed(1))} ${name}`;
    return `${value} B`;
  };
  const pad = (value, width) => String(value).padStart(width, "0");
  const clock = micros => {
    const time = new Date(data.base + Math.floor(micros / 1000));
    return `${pad(time.getUTCHours(), 2)}:${pad(time.getUTCMinutes(), 2)}:${pad(time.getUTCSeconds(), 2)}.${pad(time.getUTCMilliseconds(), 3)}`;
  };
  const address = (host, port) => host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  let stream = 0;
  const streams = data.s.map(step => stream += step);
  const client = row => address(data.hosts[data.c[row]], data.cp[row]);
  const server = row => data.servers[data.v[row]];
  const found = row => data.f[streams[row]] || [];
  const columns = {
    s: { value: row => streams[row], text: row => `#${streams[row]}`, figures: true },
    f: { value: row => -found(row).length, text: null },
    c: { value: row => data.c[row] * 65536 + data.cp[row], text: client },
    v: { value: row => data.v[row], text: server },
    p: { value: row => data.p[row], text: row => data.protocols[data.p[row]] },
    o: { value: row => data.o[row], text: row => clock(data.o[row]) },
    d: { value: row => data.d[row], text: row => duration(data.d[row]), figures: true },
    r: { value: row => data.r[row], text: row => number(data.r[row]), figures: true },
    b: { value: row => data.b[row], text: row => octets(data.b[row]), figures: true },
    g: { value: row => data.g[row], text: row => data.g[row] < 0 ? "" : duration(data.g[row]), figures: true },
    e: { value: row => data.e[row], text: row => data.ends[data.e[row]] },
  };
  if (count) {
    const perPage = 100;
    let sortKey = "s", ascending = true, page = 0, rows = Uint32Array.from({ length: count }, (_, row) => row), haystack = null;
    const body = byId("rows"), status = byId("status"), query = byId("q"), ends = byId("end"), only = byId("only");
    data.ends.forEach((name, place) => { const option = document.createElement("option"); option.value = place; option.textContent = name; ends.append(option); });
    const shown = () => {
      const pages = Math.max(1, Math.ceil(rows.length / perPage));
      page = Math.min(Math.max(0, page), pages - 1);
      const lines = document.createDocumentFragment();
      for (const row of rows.subarray(page * perPage, (page + 1) * perPage)) {
        const line = document.createElement("tr");
        for (const key in columns) {
          const cell = document.createElement("td");
          if (columns[key].figures) cell.className = "num";
          if (columns[key].text) cell.textContent = columns[key].text(row);
          else for (const finding of found(row)) {
            const link = document.createElement(byId(`F${finding}`) ? "a" : "span");
            if (link.tagName === "A") link.href = `#F${finding}`;
            link.textContent = `F${finding}`;
            cell.append(link, " ");
            line.className = "hit";
          }
          line.append(cell);
        }
        lines.append(line);
      }
      body.replaceChildren(lines);
      const first = page * perPage + 1, last = Math.min(rows.length, (page + 1) * perPage);
      status.textContent = rows.length ? `${number(first)} to ${number(last)} of ${number(rows.length)}` : "No connection matches.";
      byId("page").textContent = `Page ${number(page + 1)} of ${number(pages)}`;
      byId("pager").hidden = pages < 2;
      byId("first").disabled = byId("prev").disabled = page === 0;
      byId("last").disabled = byId("next").disabled = page === pages - 1;
    };
    const sort = () => {
      const value = columns[sortKey].value, sign = ascending ? 1 : -1;
      const keys = new Float64Array(count);
      for (const row of rows) keys[row] = value(row);
      rows.sort((a, b) => sign * (keys[a] - keys[b]) || a - b);
    };
    const select = () => {
      const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
      if (words.length && !haystack) haystack = Array.from({ length: count }, (_, row) => `#${streams[row]} ${client(row)} ${server(row)} ${data.protocols[data.p[row]]} ${data.ends[data.e[row]]} ${found(row).map(finding => `f${finding}`).join(" ")} `.toLowerCase());
      // «F2» and «#7» mean just these; any other word is looked for anywhere.
      const tests = words.map(word => /^(f|#)\d+$/.test(word) ? `${word} ` : word);
      const chosen = [];
      for (let row = 0; row < count; row++) {
        if (ends.value !== "" && data.e[row] !== +ends.value) continue;
        if (only.checked && !found(row).length) continue;
        if (tests.every(word => haystack[row].includes(word))) chosen.push(row);
      }
      rows = Uint32Array.from(chosen);
      page = 0;
      sort();
      shown();
    };
    let typing = 0;
    query.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(select, 120); });
    ends.addEventListener("change", select);
    only.addEventListener("change", select);
    for (const head of all("#table th button")) head.addEventListener("click", () => {
      ascending = sortKey === head.dataset.key ? !ascending : true;
      sortKey = head.dataset.key;
      for (const other of all("#table th")) other.removeAttribute("aria-sort");
      head.closest("th").setAttribute("aria-sort", ascending ? "ascending" : "descending");
      page = 0;
      sort();
      shown();
    });
    const turn = step => () => { page = step(page); shown(); };
    byId("first").addEventListener("click", turn(() => 0));
    byId("prev").addEventListener("click", turn(now => now - 1));
    byId("next").addEventListener("click", turn(now => now + 1));
    byId("last").addEventListener("click", turn(() => Infinity));
    byId("filter").hidden = false;
    shown();
  }
  byHash();
})();
