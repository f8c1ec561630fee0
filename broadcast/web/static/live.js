// The page of the live microphone: looks, listens, and never says "on air" before a speaker has said so.
import { BESIDE_MS, Booth, LOWEST_DB, TOO_LOUD_DB, cannotCapture, inputs } from "./live_booth.js";

const page = document.getElementById("live");
const byId = (id) => document.getElementById(id);
const texts = JSON.parse(page.dataset.texts);
const say = (key, facts = {}) => (texts[key] ?? key).replace(/\{([\w-]+)(?::([^{}/]+)\/([^{}/]+))?\}/g, (_, name, one, many) => (many ? (String(facts[name]) === "1" ? one : many) : facts[name] ?? "–"));
const two = (n) => String(n).padStart(2, "0");
const span = (s) => `${Math.floor(Math.max(0, s) / 60)}:${two(Math.floor(Math.max(0, s)) % 60)}`;
const clock = (ms) => new Date(ms).toLocaleTimeString("zh-CN", { hour12: false, timeZone: "Asia/Shanghai" });
const DOUBLE_CLICK_MS = 600;

const booth = new Booth({
  worklet: page.dataset.worklet,
  socket: page.dataset.socket,
  language: () => document.documentElement.lang,
  onChange: () => show(),
  onState: (before) => showState(before),
  onEnded: (ended) => showEnd(ended),
  onTrouble: (key, facts) => showTrouble(key, facts),
  onRefused: (problem) => showRefused(problem),
  onAnother: (ok) => { if (ok) listDevices(); announce(say(ok ? "microphone.another" : "microphone.gone")); },
});

// ---- what is wrong -------------------------------------------------------------------------------------------------------
const showProblem = (title, details = []) => {
  const box = byId("problem");
  box.hidden = !title;
  byId("problem-title").textContent = title;
  byId("problem-list").replaceChildren(...details.map((one) => Object.assign(document.createElement("li"), { textContent: one })));
  if (title) box.scrollIntoView({ block: "center" });
};
const nameOf = (code) => document.querySelector(`#live-form [name=areas][value="${code}"]`)?.parentElement.textContent.trim().split("\n")[0] ?? code;
const showRefused = (problem) => {
  const details = (problem.errors ?? []).map((one) => [document.querySelector(`label[for="${one.field}"]`)?.textContent, one.detail].filter(Boolean).join(" — "));
  if (problem.type === "/problems/live-busy") details.push(say("microphone.busy_until", { where: problem.areas.map(nameOf).join("、"), time: clock(problem.until_ms) }));
  if (problem.type === "/problems/microphone-open") showHeld(problem.live);
  showProblem(problem.title, details);
};
const showTrouble = (key, facts = {}) => {
  const ways = key === "insecure" ? ["insecure_tls", "insecure_local", "insecure_policy"] : [];
  const all = { address: location.origin, port: location.port || "80", ...facts };
  showProblem(key && say(`microphone.${key}`, all), ways.map((one) => say(`microphone.${one}`, all)));
};

// ---- the microphone of this machine ---------------------------------------------------------------------------------------
const meter = booth.meter;
let spokenAt = 0;
const part = (value) => `${Math.round((1 - Math.max(LOWEST_DB, Math.min(0, value)) / LOWEST_DB) * 1000) / 10}%`;
const draw = (now) => {
  meter.look(now, booth.capture.running);
  for (const one of document.querySelectorAll(".meter")) {
    one.querySelector(".bar").style.width = part(meter.rms);
    const peak = one.querySelector(".peak");
    peak.style.left = part(meter.held);
    peak.hidden = meter.held <= LOWEST_DB;
    one.classList.toggle("loud", meter.held > TOO_LOUD_DB);
    one.classList.toggle("muted", booth.isMuted);
    if (now - spokenAt > 500) {
      one.setAttribute("aria-valuenow", Math.round(meter.rms));
      one.setAttribute("aria-valuetext", `${Math.round(meter.rms)} dB`);
    }
  }
  if (now - spokenAt > 500) {
    spokenAt = now;
    const word = meter.word(booth.capture.running);
    for (const one of document.querySelectorAll(".level-word")) one.textContent = say(`microphone.level_${word}`, { peak: Math.round(meter.held) });
  }
  requestAnimationFrame(draw);
};

const listDevices = async () => {
  const devices = await inputs();
  const select = byId("device"), current = booth.capture.device || select.value;
  select.replaceChildren(...devices.map((one, n) => new Option(one.label || `${say("microphone.device")} ${n + 1}`, one.deviceId, false, one.deviceId === current)));
  select.disabled = devices.length < 2;
};
const startCapture = async (device) => {
  booth.improved = byId("improved").checked;
  const ok = await booth.start(device);
  if (ok) await listDevices();
  return ok;
};
const showMic = () => {
  byId("mic").textContent = say(booth.capture.running ? "microphone.stop_mic" : "microphone.start_mic");
  byId("mic").setAttribute("aria-pressed", booth.capture.running);
  byId("hear").disabled = !booth.capture.running;
};

// ---- what the server says -------------------------------------------------------------------------------------------------
let lampSaid = "";
const announce = (text) => { byId("announce").textContent = text; };
const showLamp = () => {
  const state = booth.state, lamp = booth.lamp, facts = { left: Math.ceil(state.left_s), interrupted: state.interrupted };
  byId("lamp").className = `lamp ${lamp}`;
  byId("lamp-word").textContent = say(`mic_state.${lamp}`, facts);
  const about = say(`mic_state.${lamp === "muted" && booth.mode === "hold" ? "muted_hold" : lamp}_about`, facts);
  byId("lamp-about").textContent = about;
  const text = `${say(`mic_state.${lamp}`, facts)} ${about}`;
  if (text !== lampSaid) { lampSaid = text; announce(text); } // and let stand what was said meanwhile
};
const show = () => {
  showMic();
  byId("talk").classList.toggle("pressed", booth.pressing);
  byId("cough").setAttribute("aria-pressed", booth.silenced);
  arrange();
  if (booth.isThere && booth.state) showLamp();
};
let wasOnTheAir = false;
const showState = (before) => {
  const state = booth.state;
  if (before?.state !== state.state) arrange();
  if (booth.isOnTheAir && !wasOnTheAir) { byId("hear").checked = false; byId("booth").scrollIntoView({ block: "start" }); }
  wasOnTheAir = booth.isOnTheAir;
  byId("booth").classList.toggle("cut", state.state === "held");
  byId("sounding").textContent = say("microphone.sounding", state);
  byId("nobody").hidden = state.speakers > 0;
  byId("interrupted").hidden = !state.interrupted;
  byId("interrupted").textContent = say("microphone.interrupted", state);
  byId("elapsed").textContent = span(state.on_air_s);
  byId("left").textContent = booth.isOnTheAir ? span(state.left_s) : span(Number(byId("minutes").value) * 60);
  byId("server-level").textContent = say("microphone.server_hears", { level: Math.round(state.level_db) });
  byId("server-level").classList.toggle("bad", booth.isUnheard);
  byId("line-facts").textContent = say("microphone.line", { delay: state.delay_ms + BESIDE_MS, lost: state.lost + state.late });
  const quiet = booth.isQuiet && state.state !== "held";
  byId("silence").hidden = !quiet;
  if (quiet) byId("silence").textContent = say("microphone.silence", { silent: Math.floor(state.silent_s), left: Math.max(0, Math.ceil(state.silence_s - state.silent_s)) });
};
const arrange = () => {
  const state = booth.state, there = booth.isThere, onAir = booth.isOnTheAir;
  byId("live-form").hidden = there;
  if (there && byId("booth").hidden) { byId("booth").hidden = false; byId("booth").focus({ preventScroll: true }); byId("booth").scrollIntoView({ block: "start" }); }
  byId("booth").hidden = !there;
  byId("booth").classList.toggle("exercise", Boolean(state?.exercise));
  if (there && byId("stop").hidden === onAir) { // it is where the other button was: the second click of a double click is not meant
    byId("stop").disabled = byId("begin").disabled = true;
    setTimeout(() => { byId("stop").disabled = booth.state?.state === "closing"; byId("begin").disabled = false; }, DOUBLE_CLICK_MS);
  }
  byId("begin").hidden = byId("give-up").hidden = onAir || !there;
  byId("stop").hidden = byId("talking").hidden = !onAir;
  if (state?.state === "closing") byId("stop").disabled = true;
  byId("talk").hidden = booth.mode !== "hold";
  byId("cough").hidden = booth.mode === "hold";
};
const showEnd = (ended) => {
  const wentOut = Boolean(ended.order);
  wasOnTheAir = false;
  arrange();
  byId("over").hidden = !wentOut;
  byId("over-why").textContent = say(`mic_end.${ended.why}`, { minutes: Math.round(ended.on_air_s / 60) });
  byId("over-facts").textContent = say("microphone.over_facts", { elapsed: span(ended.on_air_s), packets: ended.packets, lost: ended.lost });
  byId("over-link").href = `/emergency/broadcasts/${encodeURIComponent(ended.order)}`;
  byId("over").classList.toggle("bad-end", !["closed", "stopped", "time"].includes(ended.why));
  announce(wentOut ? `${say("mic_state.ended")} ${byId("over-why").textContent}` : "");
  if (wentOut) byId("over").focus();
};

// ---- acts -----------------------------------------------------------------------------------------------------------------
const chosen = (name) => [...document.querySelectorAll(`#live-form [name=${name}]:checked`)].map((one) => one.value);
const command = () => ({
  areas: chosen("areas"), minutes: Number(byId("minutes").value) || 0, headline: byId("headline").value.trim(),
  exercise: byId("exercise").checked, tone: byId("chime").checked ? "chime" : "none",
});
const ready = () => { lampSaid = ""; byId("begin").disabled = false; booth.improved = byId("improved").checked; return byId("device").value; };
const prepare = async () => (await booth.prepare(() => {
  byId("over").hidden = true;
  const asked = command();
  byId("where").textContent = asked.areas.map(nameOf).join("、") || "–";
  byId("booth-headline").textContent = asked.headline;
  return asked;
}, ready())) && listDevices();
const showHeld = (id) => { byId("held").hidden = false; byId("held").dataset.live = id; };
const goOn = async () => {
  byId("held").hidden = true;
  byId("where").textContent = byId("held").dataset.where ?? "";
  if (!await booth.goOn(byId("held").dataset.live, ready())) byId("held").hidden = false;
};

if (page.dataset.mayAct) {
  byId("live-form").addEventListener("submit", (event) => { event.preventDefault(); prepare(); });
  byId("mic").addEventListener("click", () => {
    if (booth.capture.running) booth.stopCapture(); else { showProblem(""); startCapture(byId("device").value); }
  });
  byId("device").addEventListener("change", () => { if (booth.capture.running) startCapture(byId("device").value); });
  byId("improved").addEventListener("change", () => { if (booth.capture.running) startCapture(byId("device").value); });
  byId("hear").addEventListener("change", () => booth.hear(byId("hear").checked));
  byId("begin").addEventListener("click", () => { byId("begin").disabled = true; booth.begin(); });
  byId("give-up").addEventListener("click", () => booth.leave());
  byId("stop").addEventListener("click", () => { byId("stop").disabled = true; booth.end(); });
  byId("go-on").addEventListener("click", goOn);
  byId("again").addEventListener("click", () => { byId("over").hidden = true; byId("prepare").focus(); });
  byId("cough").addEventListener("click", () => booth.silence(!booth.silenced));
  for (const one of document.querySelectorAll("[name=talk-mode]")) one.addEventListener("change", () => booth.setMode(one.value));
  const press = (on) => booth.press(on);
  byId("talk").addEventListener("pointerdown", (event) => { event.target.setPointerCapture?.(event.pointerId); press(true); });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) byId("talk").addEventListener(name, () => press(false));
  // On the air the space bar is the cough key (or the talk key) wherever the focus is, and never presses a button.
  const isKey = (event) => event.code === "Space" && booth.isOnTheAir && !byId("booth").hidden;
  addEventListener("keydown", (event) => { if (isKey(event)) { event.preventDefault(); if (!event.repeat) press(true); } });
  addEventListener("keyup", (event) => { if (isKey(event)) { event.preventDefault(); press(false); } });
  addEventListener("blur", () => press(false));
  addEventListener("beforeunload", (event) => { if (booth.isOnTheAir) event.preventDefault(); });
  navigator.mediaDevices?.addEventListener("devicechange", () => {
    if (booth.capture.running) listDevices();
    else if (booth.isOnTheAir) booth.takeAnother();
  });
  showMic();
  arrange();
  if (cannotCapture()) showTrouble(cannotCapture());
  requestAnimationFrame(draw);
}
