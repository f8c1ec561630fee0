// The page of the live microphone: looks, listens, and never says "on air" before a speaker has said so.
import { Capture, Line } from "./live_sound.js";

const page = document.getElementById("live");
const byId = (id) => document.getElementById(id);
const texts = JSON.parse(page.dataset.texts);
const say = (key, facts = {}) => (texts[key] ?? key).replace(/\{([\w-]+)\}/g, (_, name) => facts[name] ?? "–");
const two = (n) => String(n).padStart(2, "0");
const span = (s) => `${Math.floor(Math.max(0, s) / 60)}:${two(Math.floor(Math.max(0, s)) % 60)}`;
const clock = (ms) => new Date(ms).toLocaleTimeString("zh-CN", { hour12: false, timeZone: "Asia/Shanghai" });
const DOUBLE_CLICK_MS = 600, LOWEST_DB = -60, HOLD_MS = 1500, FALL_DB_PER_S = 20, TOO_LOUD_DB = -1, WARN_BEFORE_S = 10;
const BESIDE_MS = 75; // what browser, frames and two sound cards add to the play-out delay (tests/system/test_live_page_ear.py)
const WENT = ["waiting", "announcing", "on_air", "unheard", "held", "closing"]; // it is ordered and has not ended

let line = null, state = null, pressing = false, silenced = false, starting = false;

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
const MIC_ERRORS = { NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "none", OverconstrainedError: "none", NotReadableError: "in_use", AbortError: "in_use" };
const canCapture = () => {
  if (window.isSecureContext && navigator.mediaDevices && typeof AudioWorkletNode !== "undefined") return true;
  if (window.isSecureContext) { showProblem(say("microphone.too_old")); return false; }
  showProblem(say("microphone.insecure", { address: location.origin }), ["insecure_tls", "insecure_local", "insecure_policy"].map((one) => say(`microphone.${one}`, { address: location.origin, port: location.port || "80" })));
  return false;
};

// ---- the microphone of this machine ---------------------------------------------------------------------------------------
const meter = { rms: LOWEST_DB, peak: LOWEST_DB, held: LOWEST_DB, heldAt: 0, at: 0, spokenAt: 0 };
const db = (value) => Math.max(LOWEST_DB, 20 * Math.log10(value || 1e-9));
const capture = new Capture(page.dataset.worklet, {
  onFrame: (seq, bytes) => line?.send(seq, bytes),
  onLevel: (rms, peak) => { meter.rms = Math.max(db(rms), meter.rms - 1.5); meter.peak = db(peak); },
  onGone: () => takeAnother(),
});
const part = (value) => `${Math.round((1 - Math.max(LOWEST_DB, Math.min(0, value)) / LOWEST_DB) * 1000) / 10}%`;
const draw = (now) => {
  const seconds = (now - meter.at) / 1000;
  meter.at = now;
  if (!capture.running) meter.rms = meter.peak = meter.held = LOWEST_DB;
  if (meter.peak >= meter.held) { meter.held = meter.peak; meter.heldAt = now; }
  else if (now - meter.heldAt > HOLD_MS) meter.held = Math.max(meter.peak, meter.held - FALL_DB_PER_S * seconds);
  for (const one of document.querySelectorAll(".meter")) {
    one.querySelector(".bar").style.width = part(meter.rms);
    const peak = one.querySelector(".peak");
    peak.style.left = part(meter.held);
    peak.hidden = meter.held <= LOWEST_DB;
    one.classList.toggle("loud", meter.held > TOO_LOUD_DB);
    one.classList.toggle("muted", isMuted());
    if (now - meter.spokenAt > 500) {
      one.setAttribute("aria-valuenow", Math.round(meter.rms));
      one.setAttribute("aria-valuetext", `${Math.round(meter.rms)} dB`);
    }
  }
  if (now - meter.spokenAt > 500) {
    meter.spokenAt = now;
    const word = !capture.running ? "off" : meter.held > TOO_LOUD_DB ? "loud" : meter.held < -45 ? "soft" : "good";
    for (const one of document.querySelectorAll(".level-word")) one.textContent = say(`microphone.level_${word}`, { peak: Math.round(meter.held) });
  }
  requestAnimationFrame(draw);
};

const listDevices = async () => {
  const devices = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "audioinput");
  const select = byId("device"), current = capture.device || select.value;
  select.replaceChildren(...devices.map((one, n) => new Option(one.label || `${say("microphone.device")} ${n + 1}`, one.deviceId, false, one.deviceId === current)));
  select.disabled = devices.length < 2;
};
const startCapture = async (device) => {
  if (!canCapture()) return false;
  try {
    await capture.start(device, byId("improved").checked);
  } catch (error) {
    showProblem(say(`microphone.${MIC_ERRORS[error.name] ?? "failed"}`, { cause: error.message || error.name }));
    return false;
  } finally {
    showMic();
  }
  capture.hear(byId("hear").checked && !isOnTheAir());
  applyMute();
  await listDevices();
  return true;
};
// The device went away, or one has come: who is on the air goes on with whatever there is.
const takeAnother = async () => {
  const ok = await startCapture("");
  if (ok) showProblem("");
  else if (isOnTheAir()) showProblem(say("microphone.gone"));
  announce(say(ok ? "microphone.another" : "microphone.gone"));
};
const showMic = () => {
  byId("mic").textContent = say(capture.running ? "microphone.stop_mic" : "microphone.start_mic");
  byId("mic").setAttribute("aria-pressed", capture.running);
  byId("hear").disabled = !capture.running;
};

// ---- what the server says -------------------------------------------------------------------------------------------------
const isOnTheAir = () => WENT.includes(state?.state);
const mode = () => document.querySelector("[name=talk-mode]:checked").value;
const isMuted = () => isOnTheAir() && (mode() === "hold" ? !pressing : pressing || silenced);
const applyMute = () => {
  const muted = isMuted();
  capture.mute(muted);
  if (line && isOnTheAir() && line.muted !== muted) line.mute(muted);
  byId("talk").classList.toggle("pressed", pressing);
  byId("cough").setAttribute("aria-pressed", silenced);
  if (state) showLamp();
};

let lampSaid = "";
const announce = (text) => { byId("announce").textContent = text; };
const lampOf = () => {
  if (state.state === "on_air" && (state.muted || isMuted())) return "muted";
  return state.state;
};
const showLamp = () => {
  const lamp = lampOf(), facts = { left: Math.ceil(state.left_s), interrupted: state.interrupted };
  byId("lamp").className = `lamp ${lamp}`;
  byId("lamp-word").textContent = say(`mic_state.${lamp}`, facts);
  const about = say(`mic_state.${lamp === "muted" && mode() === "hold" ? "muted_hold" : lamp}_about`, facts);
  byId("lamp-about").textContent = about;
  const text = `${say(`mic_state.${lamp}`, facts)} ${about}`;
  if (text !== lampSaid) { lampSaid = text; announce(text); } // and let stand what was said meanwhile
};
const showState = (now) => {
  const wasOnTheAir = isOnTheAir(), before = state?.state;
  state = now;
  if (state.state === "ended") { showEnd(); return; }
  if (before !== state.state || !before) arrange();
  if (isOnTheAir() && !wasOnTheAir) { byId("hear").checked = false; capture.hear(false); byId("booth").scrollIntoView({ block: "start" }); }
  byId("booth").classList.toggle("cut", state.state === "held");
  applyMute();
  byId("sounding").textContent = say("microphone.sounding", state);
  byId("nobody").hidden = state.speakers > 0;
  byId("interrupted").hidden = !state.interrupted;
  byId("interrupted").textContent = say("microphone.interrupted", state);
  byId("elapsed").textContent = span(state.on_air_s);
  byId("left").textContent = isOnTheAir() ? span(state.left_s) : span(Number(byId("minutes").value) * 60);
  byId("server-level").textContent = say("microphone.server_hears", { level: Math.round(state.level_db) });
  byId("server-level").classList.toggle("bad", state.level_db <= -89 && capture.running && !isMuted() && meter.held > -50);
  byId("line-facts").textContent = say("microphone.line", { delay: state.delay_ms + BESIDE_MS, lost: state.lost + state.late });
  const quiet = isOnTheAir() && state.silent_s >= state.silence_s - WARN_BEFORE_S;
  byId("silence").hidden = !quiet;
  if (quiet) byId("silence").textContent = say("microphone.silence", { silent: Math.floor(state.silent_s), left: Math.max(0, Math.ceil(state.silence_s - state.silent_s)) });
};
const arrange = () => {
  const there = Boolean(line) && state?.state !== "ended", onAir = isOnTheAir();
  byId("live-form").hidden = there;
  if (there && byId("booth").hidden) { byId("booth").hidden = false; byId("booth").focus({ preventScroll: true }); byId("booth").scrollIntoView({ block: "start" }); }
  byId("booth").hidden = !there;
  byId("booth").classList.toggle("exercise", Boolean(state?.exercise));
  if (there && byId("stop").hidden === onAir) { // it is where the other button was: the second click of a double click is not meant
    byId("stop").disabled = byId("begin").disabled = true;
    setTimeout(() => { byId("stop").disabled = state?.state === "closing"; byId("begin").disabled = false; }, DOUBLE_CLICK_MS);
  }
  byId("begin").hidden = byId("give-up").hidden = onAir || !there;
  byId("stop").hidden = byId("talking").hidden = !onAir;
  if (state?.state === "closing") byId("stop").disabled = true;
  byId("talk").hidden = mode() !== "hold";
  byId("cough").hidden = mode() === "hold";
};
const showEnd = () => {
  const ended = state, wentOut = Boolean(ended.order);
  silenced = pressing = false;
  capture.mute(false);
  capture.stop();
  showMic();
  line = null;
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
const newLine = () => {
  const address = new URL(page.dataset.socket, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  address.searchParams.set("lang", document.documentElement.lang);
  state = null; lampSaid = ""; silenced = pressing = false; byId("begin").disabled = false;
  line = new Line(address.href, {
    isReady: () => capture.running,
    onState: showState,
    onRefused: (problem) => {
      if (problem.type === "/problems/live-over" && state?.order) { // it ended while the connection was away
        state = { ...state, state: "ended", why: problem.why };
        showEnd();
        return;
      }
      leave(); showRefused(problem);
    },
    onLost: () => {
      if (!state) return;
      state = { ...state, state: "held", may_speak: false };
      byId("silence").hidden = true;
      byId("booth").classList.add("cut");
      showLamp();
    },
    onFailed: async () => {
      const wasOnTheAir = isOnTheAir();
      leave();
      const answer = await fetch("/api/v1/session").catch(() => null);
      showProblem(say(answer?.status === 401 ? "microphone.signed_out" : wasOnTheAir ? "microphone.cut_off" : "microphone.no_server"));
    },
  });
};
const leave = () => {
  line?.drop();
  line = null; state = null; pressing = silenced = false;
  capture.mute(false);
  arrange();
};
const chosen = (name) => [...document.querySelectorAll(`#live-form [name=${name}]:checked`)].map((one) => one.value);
const command = () => ({
  areas: chosen("areas"), minutes: Number(byId("minutes").value) || 0, headline: byId("headline").value.trim(),
  exercise: byId("exercise").checked, tone: byId("chime").checked ? "chime" : "none",
});
const withMicrophone = async (act) => {
  if (starting) return;
  starting = true;
  showProblem("");
  try {
    if (capture.running || await startCapture(byId("device").value)) act();
  } finally {
    starting = false;
  }
};
const prepare = () => withMicrophone(() => {
  byId("over").hidden = true;
  newLine();
  const asked = command();
  byId("where").textContent = asked.areas.map(nameOf).join("、") || "–";
  byId("booth-headline").textContent = asked.headline;
  line.open(asked, capture.kind);
});
const showHeld = (id) => { byId("held").hidden = false; byId("held").dataset.live = id; };
const goOn = () => withMicrophone(() => {
  byId("held").hidden = true;
  newLine();
  byId("where").textContent = byId("held").dataset.where ?? "";
  line.resume(byId("held").dataset.live, capture.kind);
});

if (page.dataset.mayAct) {
  byId("live-form").addEventListener("submit", (event) => { event.preventDefault(); prepare(); });
  byId("mic").addEventListener("click", () => {
    if (capture.running) { capture.stop(); showMic(); } else { showProblem(""); startCapture(byId("device").value); }
  });
  byId("device").addEventListener("change", () => { if (capture.running) startCapture(byId("device").value); });
  byId("improved").addEventListener("change", () => { if (capture.running) startCapture(byId("device").value); });
  byId("hear").addEventListener("change", () => capture.hear(byId("hear").checked));
  byId("begin").addEventListener("click", () => { byId("begin").disabled = true; line?.begin(); });
  byId("give-up").addEventListener("click", leave);
  byId("stop").addEventListener("click", () => { byId("stop").disabled = true; line?.close(); });
  byId("go-on").addEventListener("click", goOn);
  byId("again").addEventListener("click", () => { byId("over").hidden = true; byId("prepare").focus(); });
  byId("cough").addEventListener("click", () => { silenced = !silenced; applyMute(); });
  for (const one of document.querySelectorAll("[name=talk-mode]")) one.addEventListener("change", () => { pressing = silenced = false; arrange(); applyMute(); });
  const press = (on) => { if (pressing !== on) { pressing = on; applyMute(); } };
  byId("talk").addEventListener("pointerdown", (event) => { event.target.setPointerCapture?.(event.pointerId); press(true); });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) byId("talk").addEventListener(name, () => press(false));
  // On the air the space bar is the cough key (or the talk key) wherever the focus is, and never presses a button.
  const isKey = (event) => event.code === "Space" && isOnTheAir() && !byId("booth").hidden;
  addEventListener("keydown", (event) => { if (isKey(event)) { event.preventDefault(); if (!event.repeat) press(true); } });
  addEventListener("keyup", (event) => { if (isKey(event)) { event.preventDefault(); press(false); } });
  addEventListener("blur", () => press(false));
  addEventListener("beforeunload", (event) => { if (isOnTheAir()) event.preventDefault(); });
  navigator.mediaDevices?.addEventListener("devicechange", () => {
    if (capture.running) listDevices();
    else if (isOnTheAir()) takeAnother();
  });
  showMic();
  arrange();
  canCapture();
  requestAnimationFrame(draw);
}
