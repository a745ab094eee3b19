// What was answered, drawn. Text from outside reaches the page by textContent alone.

/** The tasks of the model that are of a kind. */
const ofKind = (kind) => limits.tasks.filter((task) => task.kind === kind);
const mainTask = () => limits.tasks.find((task) => task.name === limits.main);
/** The task whose course in time is drawn: the scale, or the first value. */
const courseTask = () => ofKind("scale")[0] || ofKind("value")[0];

/** What is said of a recording beside its main category, a phrase a task. */
function factsOf(result) {
  const facts = [];
  for (const task of limits.tasks) {
    const found = result[task.called];
    if (!found || task.name === limits.main) continue;
    if (task.kind === "scale") facts.push(`${task.called} ${found.level} (${found.value.toFixed(2)})`);
    if (task.kind === "value") facts.push(`${task.called} ${found.value.toFixed(1)} (${found.low} to ${found.high})`);
    if (task.kind === "category") facts.push(`${(task.words[found.label] || found.label).toLowerCase()}, ${percent(found.probs[found.label])}`);
  }
  return facts;
}

function show(reply, blob) {
  answer = reply;
  const result = reply.result;
  setStatus(`Done: ${result.path}`);
  byId("result").hidden = false;
  const category = limits.main ? result[mainTask().called] : null;
  byId("answer-title").textContent = category ? `${category.label}, ${percent(category.probs[category.label])}` : "Heard";
  byId("answer-facts").textContent = [result.path, seconds(result.duration), ...factsOf(result)].join(" · ");
  byId("description").textContent = result.description || "";
  byId("uncertain").hidden = !result.uncertain;
  byId("uncertain").textContent = `The model is not sure: ${result.doubts.join("; ")}.`;
  drawCategory(category);
  drawWave(reply);
  drawCourse(reply);
  const player = byId("player");
  if (player.src) URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(blob);
  byId("result").focus({ preventScroll: true });
}

function drawCategory(category) {
  byId("category-title").parentElement.hidden = !category;
  if (category) byId("category-title").textContent = titled(mainTask().called);
  const rows = category ? Object.entries(category.probs).sort((a, b) => b[1] - a[1]) : [];
  byId("categories").replaceChildren(...rows.map(([label, value]) => {
    const row = document.createElement("li");
    row.classList.toggle("best", label === category.label);
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
  const { duration, start, end } = reply.result;
  const spelt = ofKind("sequence")[0];
  const phones = spelt ? reply.result[spelt.called] : null;
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
  const { duration } = reply.result;
  const task = courseTask();
  const whole = task ? reply.result[task.called] : null;
  byId("course-title").parentElement.hidden = !whole;
  if (!whole) return;
  byId("course-title").textContent = `${titled(task.called)} over time`;
  const box = byId("course");
  const width = Math.max(box.clientWidth || 0, 260), height = 180, left = 76, right = width - 10, bottom = height - 26;
  const svg = node("svg", { width, height, role: "img", "aria-label": `${titled(task.called)} over time; of the whole: ${saying(whole)}` });
  const low = task.kind === "scale" ? 0 : whole.low, high = task.kind === "scale" ? 1 : whole.high;
  const x = (t) => left + (t / duration) * (right - left), y = (value) => bottom - ((value - low) / (high - low)) * (bottom - 10);
  const marks = task.kind === "scale" ? [["none", 0], ["weak", 1 / 3], ["moderate", 2 / 3], ["strong", 1]] : [[low, low], [(low + high) / 2, (low + high) / 2], [high, high]];
  for (const [name, value] of marks) {
    svg.append(node("line", { x1: left, x2: right, y1: y(value), y2: y(value), class: "axis" }));
    svg.append(node("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, String(name)));
  }
  const windows = reply.course.filter((point) => point[task.called]);
  const middle = (point) => (point.start + point.end) / 2;
  svg.append(node("line", { x1: left, x2: right, y1: y(whole.value), y2: y(whole.value), class: "mean" }));
  if (windows.length) svg.append(node("polyline", { points: windows.map((point) => `${x(middle(point)).toFixed(1)},${y(point[task.called].value).toFixed(1)}`).join(" "), class: "curve" }));
  for (const point of windows) {
    const category = limits.main ? point[mainTask().called] : null;
    const name = category ? category.label : "";
    const dot = node("circle", { cx: x(middle(point)), cy: y(point[task.called].value), r: windows.length > 80 ? 2 : 4, fill: COLOURS[name] || "var(--accent)" });
    dot.append(node("title", {}, `${middle(point).toFixed(1)} s: ${saying(point[task.called])} ${name}`));
    svg.append(dot);
  }
  timeAxis(svg, duration, x, bottom + 2);
  box.replaceChildren(svg);
  byId("course-note").textContent = windows.length
    ? `Dashed: the whole recording. Dots: windows of ${seconds(windows[0].end - windows[0].start)}, in the colour of their likeliest answer.`
    : "Dashed: the whole recording, which is too short to be cut into windows.";
}
