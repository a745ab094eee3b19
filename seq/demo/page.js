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
/** A value with the name of its level, where it has one. */
const saying = (found) => (found.level ? `${found.level} ${found.value.toFixed(2)}` : found.value.toFixed(2));
const titled = (name) => name.charAt(0).toUpperCase() + name.slice(1);
const percent = (value) => `${Math.round(100 * value)} %`;
const seconds = (value) => (value < 60 ? `${value.toFixed(1)} s` : `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`);

let limits = { max_bytes: Infinity, tasks: [], main: null };
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
  const test = model.scores && model.scores.test && model.main && (model.scores.test[model.main] || {}).UA;
  const score = test ? ` · ${percent(test)} unweighted accuracy on its test speakers` : "";
  byId("model").textContent = `How was it said? A model of ${model.corpus}${protocol}${score}: ${model.tasks.map((task) => task.called).join(", ")}.`;
}).catch(() => showError("The server does not answer: look at the terminal in which speecheq demo runs"));
