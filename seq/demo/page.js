"use strict";
// Record or choose -> POST /api/predict -> draw. Text from outside reaches the page by textContent alone.

const COLOURS = {
  neutral: "#7b8794", calm: "#2a9d8f", happy: "#d99a00", excited: "#e07a1f", sad: "#4a6fdc", angry: "#d13b3b",
  fearful: "#8250c4", disgusted: "#5f8b2d", surprised: "#cf4f94", bored: "#8d7b68", frustrated: "#b5542b",
  contempt: "#6d5a8a", other: "#7b8794",
};
const MAX_PHONES = 4000;
const WAVE_HEIGHT = 120;
const PHONE_WIDTH = 26;
const MIN_RECORDING_SECONDS = 0.3;
const byId = (id) => document.getElementById(id);
const percent = (value) => `${Math.round(100 * value)} %`;
const seconds = (value) => (value < 60 ? `${value.toFixed(1)} s` : `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`);

let limits = { max_bytes: Infinity };
let answer = null;
let recorder = null;
let busy = false;

function node(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function setStatus(text) { byId("status").textContent = text; }

function showError(sentence) {
  setStatus("");
  byId("error").textContent = sentence;
  byId("error").hidden = false;
}

function setBusy(value) {
  busy = value;
  byId("record").disabled = value;
  byId("file").disabled = value;
  byId("file").parentElement.classList.toggle("busy", value);
}

// ---- sending

async function send(blob, name, type) {
  const response = await fetch("/api/predict", {
    method: "POST", headers: { "Content-Type": type, "X-File-Name": encodeURIComponent(name) }, body: blob,
  });
  return { status: response.status, body: await response.json() };
}

async function judge(blob, name, isRecording) {
  if (busy) return;
  byId("error").hidden = true;
  byId("result").hidden = true;
  if (blob.size > limits.max_bytes) {
    showError(`${name} has ${(blob.size / 2 ** 20).toFixed(1)} MiB, this page takes ${+(limits.max_bytes / 2 ** 20).toFixed(2)}: choose a shorter one, or start the page with a larger --max-mb`);
    return;
  }
  setBusy(true);
  setStatus(`Listening to ${name} …`);
  try {
    // Files go as they are: libsndfile reads more formats than browsers. What it cannot read, a browser may.
    let sent = isRecording ? await toWav(blob) : blob;
    let reply = await send(sent, name, isRecording ? "audio/wav" : blob.type || "application/octet-stream");
    if (reply.status === 415 && !isRecording && /^(audio|video)\//.test(blob.type)) {
      const wav = await toWav(blob).catch(() => null);
      if (wav !== null) {
        sent = wav;
        reply = await send(wav, name, "audio/wav");
      }
    }
    if (reply.status !== 200) showError(reply.body.error);
    else show(reply.body, sent);
  } catch (error) {
    const unreadable = error instanceof DOMException && error.name === "EncodingError";
    showError(unreadable ? `${name} could not be decoded by this browser: record again, or choose a wav file`
      : "The server does not answer: look at the terminal in which speecheq demo runs, and try again");
  } finally {
    setBusy(false);
  }
}

/** Decode by the browser; 16-bit mono WAV at the rate of the browser's audio device. */
async function toWav(blob) {
  const context = new AudioContext();
  let audio;
  try {
    audio = await context.decodeAudioData(await blob.arrayBuffer());
  } finally {
    context.close();
  }
  const mono = new Float32Array(audio.length);
  for (let c = 0; c < audio.numberOfChannels; c++) {
    const channel = audio.getChannelData(c);
    for (let i = 0; i < mono.length; i++) mono[i] += channel[i] / audio.numberOfChannels;
  }
  const view = new DataView(new ArrayBuffer(44 + 2 * mono.length));
  const ascii = (offset, text) => [...text].forEach((char, i) => view.setUint8(offset + i, char.charCodeAt(0)));
  ascii(0, "RIFF"); view.setUint32(4, 36 + 2 * mono.length, true); ascii(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, audio.sampleRate, true); view.setUint32(28, 2 * audio.sampleRate, true);
  view.setUint16(32, 2, true); view.setUint16(34, 16, true); ascii(36, "data"); view.setUint32(40, 2 * mono.length, true);
  mono.forEach((value, i) => view.setInt16(44 + 2 * i, Math.max(-32768, Math.min(32767, Math.round(32767 * value))), true));
  return new Blob([view.buffer], { type: "audio/wav" });
}

// ---- recording

async function startRecording() {
  byId("error").hidden = true;
  if (!navigator.mediaDevices || !window.MediaRecorder) {
    showError("This browser gives no microphone to this page: open it on https or localhost, or choose a file");
    return;
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  } catch (error) {
    showError("There is no microphone, or this page may not use it: allow it in the browser, or choose a file");
    return;
  }
  const chunks = [];
  const started = performance.now();
  recorder = new MediaRecorder(stream);
  const stopMeter = meter(stream, started);
  recorder.ondataavailable = (event) => chunks.push(event.data);
  recorder.onstop = () => {
    const length = (performance.now() - started) / 1000;
    stream.getTracks().forEach((track) => track.stop());
    stopMeter();
    recorder = null;
    showRecording(false);
    if (length < MIN_RECORDING_SECONDS) showError("That was too short to judge: record a sentence");
    else judge(new Blob(chunks, { type: chunks[0].type }), "recording.wav", true);
  };
  recorder.start();
  showRecording(true);
}

function showRecording(on) {
  byId("record").setAttribute("aria-pressed", String(on));
  byId("record-text").textContent = on ? "Stop" : "Record";
  byId("level").hidden = !on;
  byId("file").disabled = on;
  setStatus(on ? "Recording: say a sentence, then press Stop." : "");
}

/** Show the level and the time while recording; returns what ends it. */
function meter(stream, started) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const peak = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-4);
    byId("level").firstElementChild.style.width = percent(Math.max(0, 1 + Math.log10(peak) / 2.5)).replace(" ", "");
    byId("record-text").textContent = `Stop (${((performance.now() - started) / 1000).toFixed(0)} s)`;
  }, 100);
  return () => { clearInterval(timer); context.close(); };
}

// ---- drawing

function show(reply, blob) {
  answer = reply;
  const result = reply.result;
  setStatus(`Done: ${result.path}`);
  byId("result").hidden = false;
  const emotion = result.emotion;
  byId("answer-title").textContent = emotion ? `${emotion.label}, ${percent(emotion.probs[emotion.label])}` : "Heard";
  const facts = [result.path, seconds(result.duration)];
  if (result.intensity) facts.push(`intensity ${result.intensity.level} (${result.intensity.value.toFixed(2)})`);
  if (result.gender) facts.push(`${result.gender.label === "F" ? "female" : "male"} voice, ${percent(result.gender.probs[result.gender.label])}`);
  byId("answer-facts").textContent = facts.join(" · ");
  byId("description").textContent = result.description || "";
  byId("uncertain").hidden = !result.uncertain;
  drawEmotions(emotion);
  drawWave(reply);
  drawCourse(reply);
  const player = byId("player");
  if (player.src) URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(blob);
  byId("result").focus({ preventScroll: true });
}

function drawEmotions(emotion) {
  byId("emotion-title").parentElement.hidden = !emotion;
  const rows = emotion ? Object.entries(emotion.probs).sort((a, b) => b[1] - a[1]) : [];
  byId("emotions").replaceChildren(...rows.map(([label, value]) => {
    const row = document.createElement("li");
    row.classList.toggle("best", label === emotion.label);
    const [name, track, bar, share] = ["span", "div", "div", "span"].map((kind) => document.createElement(kind));
    name.textContent = label;
    track.className = "track";
    track.setAttribute("aria-hidden", "true");
    bar.style.width = `${100 * value}%`;
    bar.style.setProperty("--colour", COLOURS[label] || "var(--accent)");
    track.append(bar);
    share.className = "percent";
    share.textContent = percent(value);
    row.append(name, track, share);
    return row;
  }));
}

function timeAxis(svg, duration, x, y) {
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 600].find((s) => x(s) - x(0) >= 55) || 1800;
  for (let t = 0; t <= duration + 1e-6; t += step) {
    svg.append(node("line", { x1: x(t), x2: x(t), y1: y, y2: y + 5, class: "axis" }));
    const last = x(t) > x(duration) - 20;
    const label = step < 1 ? t.toFixed(1) : step < 60 ? String(Math.round(t)) : `${Math.round(t / 60)} min`;
    svg.append(node("text", { x: x(t), y: y + 18, "text-anchor": t === 0 ? "start" : last ? "end" : "middle" }, step < 60 ? `${label} s` : label));
  }
}

function drawWave(reply) {
  const { duration, phones, start, end } = reply.result;
  const list = phones && phones.length <= MAX_PHONES ? phones : [];
  const box = byId("wave");
  const width = Math.max(box.clientWidth || 600, list.length * PHONE_WIDTH);
  const phoneY = WAVE_HEIGHT + 6, axisY = phones ? WAVE_HEIGHT + 38 : WAVE_HEIGHT + 4;
  const svg = node("svg", { width, height: axisY + 24, role: "img", "aria-label": `Wave of ${reply.result.path}, ${seconds(duration)}` });
  const x = (t) => (t / duration) * width;
  svg.append(node("rect", { x: x(start), y: 0, width: Math.max(x(end) - x(start), 0), height: WAVE_HEIGHT, class: "heard", rx: 6 }));
  const most = Math.max(...reply.peaks, 1e-6), step = width / reply.peaks.length, middle = WAVE_HEIGHT / 2;
  const top = reply.peaks.map((peak, i) => [(i + 0.5) * step, Math.max((peak / most) * (middle - 4), 0.5)]);
  const outline = [...top.map(([a, b]) => `${a.toFixed(1)},${(middle - b).toFixed(1)}`), ...top.reverse().map(([a, b]) => `${a.toFixed(1)},${(middle + b).toFixed(1)}`)];
  svg.append(node("polygon", { points: outline.join(" "), class: "wave" }));
  let free = 0;
  for (const phone of list) {
    const left = x(phone.start), wide = Math.max(x(phone.end) - left, 2);
    svg.append(node("rect", { x: left, y: phoneY, width: wide, height: 24, class: "phone-box", rx: 4 }));
    // A label that would cover its neighbour is left to the list below.
    const centre = left + wide / 2, half = 4 * phone.phone.length + 1;
    if (centre - half >= free) {
      svg.append(node("text", { x: centre, y: phoneY + 16, "text-anchor": "middle", class: "phone" }, phone.phone));
      free = centre + half;
    }
  }
  timeAxis(svg, duration, x, axisY);
  const head = node("line", { x1: 0, x2: 0, y1: 0, y2: WAVE_HEIGHT, class: "head", visibility: "hidden" });
  svg.append(head);
  box.replaceChildren(svg);
  byId("player").ontimeupdate = (event) => {
    const at = x(Math.min(event.target.currentTime, duration));
    for (const end of ["x1", "x2"]) head.setAttribute(end, at);
    head.setAttribute("visibility", "visible");
  };
  byId("phones-details").hidden = !phones;
  byId("phones").textContent = phones ? phones.map((phone) => phone.phone).join(" ") || "none heard" : "";
}

function drawCourse(reply) {
  const { duration, intensity } = reply.result;
  byId("intensity-title").parentElement.hidden = !intensity;
  if (!intensity) return;
  const box = byId("course");
  const width = Math.max(box.clientWidth || 0, 260), height = 180, left = 76, right = width - 10, bottom = height - 26;
  const svg = node("svg", { width, height, role: "img", "aria-label": `Intensity over time; of the whole: ${intensity.value.toFixed(2)}, ${intensity.level}` });
  const x = (t) => left + (t / duration) * (right - left), y = (value) => bottom - value * (bottom - 10);
  for (const [name, value] of [["none", 0], ["weak", 1 / 3], ["moderate", 2 / 3], ["strong", 1]]) {
    svg.append(node("line", { x1: left, x2: right, y1: y(value), y2: y(value), class: "axis" }));
    svg.append(node("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, name));
  }
  const windows = reply.course.filter((point) => point.intensity);
  const middle = (point) => (point.start + point.end) / 2;
  svg.append(node("line", { x1: left, x2: right, y1: y(intensity.value), y2: y(intensity.value), class: "mean" }));
  if (windows.length) svg.append(node("polyline", { points: windows.map((point) => `${x(middle(point)).toFixed(1)},${y(point.intensity.value).toFixed(1)}`).join(" "), class: "curve" }));
  for (const point of windows) {
    const name = point.emotion ? point.emotion.label : "";
    const dot = node("circle", { cx: x(middle(point)), cy: y(point.intensity.value), r: windows.length > 80 ? 2 : 4, fill: COLOURS[name] || "var(--accent)" });
    dot.append(node("title", {}, `${middle(point).toFixed(1)} s: ${point.intensity.level} ${point.intensity.value.toFixed(2)} ${name}`));
    svg.append(dot);
  }
  timeAxis(svg, duration, x, bottom + 2);
  box.replaceChildren(svg);
  byId("course-note").textContent = windows.length
    ? `Dashed: the whole recording. Dots: windows of ${seconds(windows[0].end - windows[0].start)}, in the colour of their likeliest emotion.`
    : "Dashed: the whole recording, which is too short to be cut into windows.";
}

// ---- wiring

byId("record").addEventListener("click", () => (recorder ? recorder.stop() : startRecording()));
byId("file").addEventListener("change", (event) => {
  const file = event.target.files[0];
  if (file) judge(file, file.name, false);
  event.target.value = "";
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  byId("input").addEventListener(kind, (event) => {
    event.preventDefault();
    byId("input").classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files[0] && !recorder) judge(event.dataTransfer.files[0], event.dataTransfer.files[0].name, false);
  });
}
byId("download").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(answer.result, null, 2) + "\n"], { type: "application/json" }));
  link.download = `${answer.result.path.replace(/\.[^.]*$/, "") || "recording"}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
});
window.addEventListener("resize", () => { if (answer && !byId("result").hidden) { drawWave(answer); drawCourse(answer); } });
fetch("/api/model").then((response) => response.json()).then((model) => {
  limits = model;
  const protocol = model.protocol && model.protocol.name ? `, protocol ${model.protocol.name}` : "";
  const test = model.scores && model.scores.test && model.scores.test.UA;
  const score = test ? ` · ${percent(test)} unweighted accuracy on its test speakers` : "";
  byId("model").textContent = `How was it said? A model of ${model.corpus}${protocol}${score}: ${model.tasks.join(", ")}.`;
}).catch(() => showError("The server does not answer: look at the terminal in which speecheq demo runs"));
