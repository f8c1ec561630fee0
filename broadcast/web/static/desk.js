// Makes the duty pages livelier. Everything works without it: forms start and stop, pages refresh themselves.
"use strict";
(() => {
  const body = document.body, byId = (id) => document.getElementById(id);
  const texts = JSON.parse(body.dataset.texts || "{}");
  document.documentElement.classList.add("scripted");
  const fill = (text, facts) => text.replace(/\{([\w-]+)(?::([^{}/]+)\/([^{}/]+))?\}/g, (_, name, one, many) => (many ? (String(facts[name]) === "1" ? one : many) : facts[name] ?? "–"));
  let ahead = Number(body.dataset.now) - Date.now(); // the server's clock against this machine's
  const now = () => Date.now() + ahead;
  const two = (n) => String(n).padStart(2, "0");
  const span = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000)), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
    return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
  };
  const clock = (ms) => new Date(ms).toLocaleTimeString("zh-CN", { hour12: false, timeZone: "Asia/Shanghai" });

  // ---- what is on air --------------------------------------------------------------------------------------------------
  const tickBanners = () => {
    for (const banner of document.querySelectorAll(".banner, .counting")) {
      const begins = Number(banner.dataset.begins), ends = Number(banner.dataset.ends);
      const elapsed = banner.querySelector(".elapsed"), remaining = banner.querySelector(".remaining");
      if (elapsed) elapsed.textContent = span(now() - begins);
      if (remaining) remaining.textContent = span(ends - now());
      const begun = banner.querySelector(".begun"), notBegun = banner.querySelector(".not-begun");
      if (begun) { begun.hidden = begins > now(); notBegun.hidden = !begun.hidden; }
    }
  };
  setInterval(tickBanners, 1000);

  const showAir = (onAir) => {
    const air = byId("air"), template = byId("banner");
    if (!air || !template) return;
    air.replaceChildren(...onAir.map((one) => {
      const banner = template.content.cloneNode(true).firstElementChild;
      banner.classList.toggle("exercise", one.exercise); banner.classList.toggle("routine", one.routine); banner.classList.toggle("mine", one.id === body.dataset.broadcast);
      banner.dataset.begins = one.begins; banner.dataset.ends = one.ends;
      const link = banner.querySelector("h2 a"), where = `/emergency/broadcasts/${encodeURIComponent(one.id)}`;
      link.textContent = (one.exercise ? texts["page.exercise_mark"] : "") + one.headline;
      link.href = where; banner.querySelector(".look").href = where;
      const halt = banner.querySelector(".halt");
      if (halt) halt.href = `${where}/stop`;
      const until = banner.querySelector(".until"), notBegun = banner.querySelector(".not-begun");
      until.textContent = fill(until.dataset.text, { time: clock(one.ends) });
      notBegun.textContent = fill(notBegun.dataset.text, { time: clock(one.begins) });
      banner.querySelector(".not-yet").hidden = !one.pending;
      return banner;
    }));
    if (!onAir.length) {
      const silent = document.createElement("p");
      silent.className = "silent"; silent.textContent = texts["air.silent"];
      air.append(silent);
    }
    tickBanners();
  };

  const showState = (state) => {
    showAir(state.on_air);
    for (const word of ["online", "offline", "unknown"]) byId(`presence-${word}`).textContent = state.presence[word];
    const link = byId("link");
    link.className = `link ${state.wire_up ? "up" : "down"}`;
    link.textContent = texts[state.wire_up ? "page.broker_up" : "page.broker_down"];
    const list = byId("conditions");
    if (state.conditions.length) list.replaceChildren(...state.conditions.map((one) => {
      const item = document.createElement("li");
      item.textContent = `${fill(texts[`condition.${one.name}`] || texts["condition.other"], { name: one.name, ...one.facts })} `;
      const since = document.createElement("small");
      since.textContent = clock(one.since); item.append(since);
      return item;
    }));
    else {
      const well = document.createElement("li");
      well.className = "well"; well.textContent = texts["page.all_well"];
      list.replaceChildren(well);
    }
  };

  // ---- the wall --------------------------------------------------------------------------------------------------------
  const wall = byId("wall"), legend = new Map();
  for (const item of document.querySelectorAll("#legend li")) legend.set(item.dataset.look, item);
  const shape = (look) => legend.get(look)?.dataset.shape ?? "", word = (look) => legend.get(look)?.dataset.word ?? look;

  const showCell = (index, look) => {
    const tile = byId(`t${index}`);
    if (!tile) return;
    tile.className = `tile ${look}`; tile.textContent = shape(look); tile.title = `${tile.dataset.name} ${word(look)}`;
  };
  const showCounts = (counts) => {
    for (const [look, item] of legend) {
      const count = counts[look] || 0;
      item.querySelector("b").textContent = count;
      item.hidden = !count && !["sounding", "done", "offline"].includes(look);
    }
  };
  const showTownships = (townships) => {
    for (const block of document.querySelectorAll("#wall .block")) {
      const counts = townships[block.dataset.code] || {}, sum = block.querySelector(".sum");
      const text = Object.entries(counts).map(([look, count]) => `${shape(look)}${count}`).join(" ");
      if (sum.textContent !== text) sum.textContent = text;
    }
  };
  const showMissing = (missing, total) => {
    byId("missing-total").textContent = total;
    byId("missing-more").textContent = total > missing.length ? fill(texts["live.missing_more"], { more: total - missing.length }) : "";
    byId("missing").replaceChildren(...missing.map((one) => {
      const row = document.createElement("tr"), cells = [0, 1, 2, 3].map(() => row.insertCell());
      cells[0].textContent = `${one.place} `;
      const id = document.createElement("small"); id.textContent = one.id; cells[0].append(id);
      const tile = document.createElement("span");
      tile.className = `tile ${one.look}`; tile.textContent = shape(one.look); tile.ariaHidden = "true";
      cells[1].append(tile, ` ${word(one.look)}`);
      cells[2].textContent = texts[`reason.${one.reason}`] ?? one.reason;
      cells[3].textContent = one.since ? clock(Date.parse(one.since)) : "";
      return row;
    }));
  };
  let saidAt = 0;
  const say = (counts) => { // one polite sentence at most every 5 s, never 690 of them
    if (now() - saidAt < 5000) return;
    saidAt = now();
    byId("spoken-summary").textContent = Object.entries(counts).map(([look, count]) => `${word(look)} ${count}`).join(", ");
  };
  const showSums = (data) => {
    showCounts(data.counts); showTownships(data.townships); showMissing(data.missing, data.missing_total); say(data.counts);
    const pending = byId("pending");
    if (pending && data.broadcast) pending.hidden = !data.broadcast.on_air_pending;
  };
  const isAnother = (data) => data.broadcast !== undefined && wall && (data.broadcast?.id ?? "") !== body.dataset.broadcast;

  // ---- the stream ------------------------------------------------------------------------------------------------------
  let heardAt = Date.now(), life = null;
  const stale = byId("stale");
  const heard = () => {
    heardAt = Date.now();
    if (wall && wall.classList.contains("stale")) { wall.classList.remove("stale"); stale.hidden = true; }
  };
  setInterval(() => {
    if (!wall || Date.now() - heardAt < 20000) return;
    wall.classList.add("stale"); stale.hidden = false;
    stale.textContent = fill(texts["live.stale"], { time: clock(heardAt + ahead) });
  }, 1000);

  const follow = () => {
    const source = new EventSource(body.dataset.follow);
    const on = (name, take) => source.addEventListener(name, (event) => { heard(); take(JSON.parse(event.data)); });
    on("snapshot", (data) => {
      if (!wall) return;
      const tiles = wall.querySelectorAll(".tile").length;
      if (isAnother(data) || tiles !== data.cells.length) { location.reload(); return; }
      data.cells.forEach(([, , look], index) => showCell(index, look));
      showSums(data);
      life = data.broadcast?.life ?? null;
    });
    on("change", (data) => {
      if (!wall) return;
      if (isAnother(data)) { location.reload(); return; }
      for (const [index, look] of data.cells) showCell(index, look);
      showSums(data);
      if (data.broadcast && life && data.broadcast.life !== life) location.reload(); // buttons and words change with it
    });
    on("state", (data) => {
      showState(data);
      const pending = byId("pending"), mine = data.on_air.find((one) => one.id === body.dataset.broadcast);
      if (pending && mine) pending.hidden = !mine.pending;
    });
    on("tick", (data) => { ahead = Date.parse(data.now) - Date.now(); });
    on("signed-out", () => { source.close(); location.href = "/emergency"; });
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      source.close(); setTimeout(follow, 5000);
    };
    addEventListener("pagehide", () => source.close(), { once: true });
  };
  if (body.dataset.follow) follow();

  // ---- keys on the wall: one tab stop, then arrows --------------------------------------------------------------------------
  if (wall) {
    const tiles = [...wall.querySelectorAll("a.tile")];
    if (tiles.length) tiles[0].tabIndex = 0;
    wall.addEventListener("keydown", (event) => {
      const at = tiles.indexOf(document.activeElement);
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 8, ArrowUp: -8 }[event.key];
      if (at < 0 || !step) return;
      event.preventDefault();
      const next = tiles[Math.min(tiles.length - 1, Math.max(0, at + step))];
      tiles[at].tabIndex = -1; next.tabIndex = 0; next.focus();
    });
  }

  // ---- the form --------------------------------------------------------------------------------------------------------
  const search = byId("search"), text = byId("text"), desk = document.querySelector("form.desk");
  if (desk && search) {
    const count = () => { byId("selected").textContent = fill(texts["desk.selected"], { areas: desk.querySelectorAll("[name=areas]:checked").length }); };
    desk.addEventListener("change", count); count();
    const length = () => { if (byId("text-length")) byId("text-length").textContent = fill(texts["desk.text_length"], { length: text.value.length, seconds: Math.round(text.value.length / 4) }); };
    if (text) { text.addEventListener("input", length); length(); }
    search.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
    search.addEventListener("input", () => {
      const wanted = search.value.trim();
      for (const township of desk.querySelectorAll(".township")) {
        const named = township.querySelector("summary").textContent.includes(wanted);
        let found = false;
        for (const village of township.querySelectorAll(".villages .choice")) {
          const fits = !wanted || named || village.textContent.includes(wanted);
          village.hidden = !fits; found = found || fits;
        }
        township.hidden = !(named || found);
        if (wanted) township.open = found && !named;
      }
    });
  }
})();
