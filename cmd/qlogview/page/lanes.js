// The lanes: the connection, DATAGRAM frames, and each half of each stream.

const laneHeight = 23;

const stateColours = new Map([
	["idle", "#c3cdd9"], ["ready", "#9fb0c6"], ["send", "#2f6fde"], ["receive", "#12a594"], ["open", "#2f6fde"],
	["fin_queued", "#e8b10a"], ["data_sent", "#d98200"], ["size_known", "#d98200"],
	["reset_queued", "#f2777a"], ["reset_sent", "#e5484d"], ["stopped", "#e86a1c"],
	["data_received", "#2f9e44"], ["data_read", "#1c7031"], ["reset_received", "#b4232a"], ["reset_read", "#7d1a20"],
	["discarded", "#93430f"], ["abandoned", "#69737f"], ["closed", "#495461"],
	["attempted", "#9fb0c6"], ["handshake_started", "#e8b10a"], ["handshake_complete", "#12a594"], ["handshake_confirmed", "#2f6fde"],
]);
const colourOf = (state) => stateColours.get(state) || "#8f7bd6";

// Lanes are high while the half is open, lower when it is closed, and thin when nothing more can happen.
const thin = new Set(["data_read", "reset_read", "discarded", "abandoned", "closed", "idle"]);
const thinSend = new Set([...thin, "data_received", "reset_received"]);
const lower = new Set(["fin_queued", "data_sent", "reset_queued", "reset_sent", "data_received", "reset_received", "stopped"]);

// lane makes the row of a half, or of something else with states, datagrams and marks.
function lane(label, what) {
	const area = svg("svg", {});
	const row = make("div", { class: "lane" }, make("label", {}, label), area);
	const times = what.states.map((s) => s.t);
	const l = { ...what, row, area, times };
	row.addEventListener("mousemove", (e) => onLane(l, e));
	row.addEventListener("mouseleave", (e) => { tip(e); hair(null); });
	view.lanes.push(l);
	return row;
}

function block(title, small, rows) {
	return make("div", { class: "stream" }, make("div", { class: "name" }, make("b", {}, title), make("span", { title: small }, small)), make("div", {}, ...rows));
}

function streamBlock(s) {
	const rows = [];
	for (const [label, h] of [["send", s.send], ["receive", s.receive]]) {
		if (!h) continue;
		const row = lane(label, { ...h, marks: [], sending: label === "send", title: "stream " + s.id + ", " + label + " half" });
		row.dataset.stream = s.id;
		row.dataset.half = label;
		rows.push(row);
	}
	return block("stream " + s.id, s.title || s.type, rows);
}

const sources = {
	events: "States are those that the log tells (stream_state_updated).",
	frames: "The log tells no states of streams: they are reconstructed from the frames in packets, as far as these tell.",
	nothing: "The log tells neither states nor frames of streams.",
};

// makeLanes makes the lanes of a trace anew.
function makeLanes(trace) {
	view.lanes = [];
	const box = byID("lanes");
	box.replaceChildren(make("div", { class: "head" }, make("h2", {}, "Streams"), make("span", { class: "source", id: "source" }, sources[trace.states])));
	box.append(stateLegend(trace), axisRow());
	box.append(block("connection", trace.marks.length + " events", [
		lane("state", { states: trace.connection, datagrams: [], marks: trace.marks, title: "connection", whole: true }),
	]));
	const d = trace.datagrams;
	if (d.sent.length + d.received.length + d.dropped.length) {
		const frames = (label, list) => lane(label, { states: [], datagrams: list, marks: label === "receive" ? d.dropped : [], title: "DATAGRAM frames", ticks: css(label === "send" ? "sent" : "received") });
		box.append(block("DATAGRAM frames", count(d.sent.length) + " sent, " + count(d.received.length) + " received", [frames("send", d.sent), frames("receive", d.received)]));
	}
	box.append(...trace.streams.map(streamBlock));
	box.append(make("div", { id: "hair", hidden: "" }), make("div", { id: "band", hidden: "" }));
}

function stateLegend(trace) {
	const seen = new Set();
	trace.streams.forEach((s) => [s.send, s.receive].forEach((h) => h && h.states.forEach((e) => seen.add(e.s))));
	seen.delete("destroyed");
	const order = [...stateColours.keys()], list = [...seen].sort((a, b) => order.indexOf(a) - order.indexOf(b)).slice(0, 30);
	const keys = list.map((s) => make("div", { class: "key" }, swatch(colourOf(s)), s.replaceAll("_", " ")));
	keys.push(symbol("M6 1v10M6 1h5l-2 2.5 2 2.5h-5", "closed", "moment of closing"), symbol("M6 6h0", "dots", "HTTP datagram"));
	return make("div", { class: "states" }, ...keys);
}

function symbol(d, kind, text) {
	const s = svg("svg", { width: 12, height: 12 });
	s.append(svg("path", { d, class: kind, fill: "none" }));
	return make("div", { class: "key" }, s, text);
}

function axisRow() {
	const area = svg("svg", { id: "axis" });
	return make("div", { class: "stream axis" }, make("div", {}), make("div", { class: "lane" }, make("label", {}), area));
}

const position = (t, width) => (t - view.min) / (view.max - view.min) * width;

// laneWidth is the width of the plots: all lanes and charts stand below each other.
const laneWidth = () => (view.lanes.length ? view.lanes[0].area.clientWidth : 0);

// drawLanes draws what is in the range on show.
function drawLanes() {
	const width = laneWidth();
	if (!width) return;
	view.lanes.forEach((l) => drawLane(l, width));
	drawAxis(width);
}

function drawAxis(width) {
	const step = niceStep((view.max - view.min) / Math.max(width / 110, 1)), children = [];
	for (let k = Math.ceil(view.min / step); k * step <= view.max; k++) {
		const x = position(k * step, width), label = svg("text", { x, y: 15 });
		label.textContent = time(k * step, step);
		if (x > 20 && x < width - 20) children.push(label);
	}
	byID("axis").replaceChildren(...children);
}

function niceStep(least) {
	const power = 10 ** Math.floor(Math.log10(least));
	return [1, 2, 5, 10].map((f) => f * power).find((s) => s >= least) || 10 * power;
}

function drawLane(l, width) {
	const children = [svg("rect", { class: "track", x: 0, y: laneHeight / 2 - 0.5, width, height: 1 })];
	l.states.forEach((s, i) => {
		const next = i + 1 < l.states.length ? l.states[i + 1].t : view.trace.end;
		children.push(...stateShape(l, s, next, width));
	});
	if (l.closed) children.push(...closedShape(l.closed.t, width));
	const dots = dotPath(l.datagrams, width);
	if (dots && l.ticks) {
		children.push(svg("path", { d: dots.replaceAll(`${laneHeight / 2}h0`, `${laneHeight / 2 - 6}v12`), class: "ticks datagrams", stroke: l.ticks }));
	} else if (dots) {
		children.push(svg("path", { d: dots, class: "halo" }), svg("path", { d: dots, class: "dots datagrams" }));
	}
	for (const m of l.marks) {
		const x = position(m.t, width);
		if (x >= 0 && x <= width) children.push(svg("path", { d: `M${x.toFixed(1)} 2v${laneHeight - 4}`, class: m.k === "closed" || m.k === "dropped" ? "mark ticks" : "mark", stroke: css("lost") }));
	}
	l.area.replaceChildren(...children);
}

// stateShape is the bar of a state, with its name if there is room.
function stateShape(l, s, next, width) {
	const x0 = Math.max(position(s.t, width), -5), x1 = Math.min(position(next, width), width + 5);
	if (s.s === "destroyed" || x1 < 0 || x0 > width) return [];
	const terminal = !l.whole && (l.sending ? thinSend : thin).has(s.s);
	const height = terminal ? 4 : !l.whole && lower.has(s.s) ? 11 : 17, length = Math.max(x1 - x0, 3);
	const shapes = [svg("rect", { x: x0, y: (laneHeight - height) / 2, width: length, height, rx: 1.5, fill: colourOf(s.s), "data-state": s.s })];
	if (terminal) shapes.push(svg("rect", { x: x0, y: 4, width: 5, height: laneHeight - 8, rx: 1.5, fill: colourOf(s.s) }));
	const label = s.s.replaceAll("_", " "), left = Math.max(x0, 0), right = left + label.length * 6.3 + 12;
	const covered = (list) => list.some((d) => position(d.t, width) > left + 1 && position(d.t, width) < right);
	if (height === 17 && x1 > right && !covered(l.datagrams) && !covered(l.marks)) {
		const text = svg("text", { x: left + 6, y: laneHeight / 2 + 4 });
		text.textContent = label;
		shapes.push(text);
	}
	return shapes;
}

// closedShape marks the moment at which a half was closed.
function closedShape(t, width) {
	const x = position(t, width);
	if (x < -10 || x > width + 1) return [];
	return [
		svg("path", { d: `M${x.toFixed(1)} 1v${laneHeight - 2}`, class: "closed" }),
		svg("path", { d: `M${x.toFixed(1)} 1h7l-2.5 3 2.5 3h-7z`, class: "flag" }),
	];
}

// dotPath has one dot for each pixel with datagrams.
function dotPath(list, width) {
	let d = "", last = -1;
	for (const p of list) {
		const x = Math.round(position(p.t, width) * 2) / 2;
		if (x === last || x < 0 || x > width) continue;
		last = x;
		d += `M${x} ${laneHeight / 2}h0`;
	}
	return d;
}

// onLane shows what is at the pointer.
function onLane(l, event) {
	const box = l.area.getBoundingClientRect(), x = event.clientX - box.left;
	if (x < 0 || x > box.width) {
		tip(event);
		hair(null);
		return;
	}
	const t = view.min + x / box.width * (view.max - view.min), reach = 5 / box.width * (view.max - view.min);
	hair(t);
	const lines = [["h", l.title], ["t", time(t, (view.max - view.min) / 1000)]];
	l.states.filter((s) => Math.abs(s.t - t) < reach).slice(0, 8).forEach((s) => lines.push(["", "enters " + s.s + " at " + time(s.t) + (s.c ? " (" + s.c + ")" : ""), colourOf(s.s)]));
	const i = after(l.times, t) - 1;
	if (i >= 0 && lines.length === 2) lines.push(["", l.states[i].s + " since " + time(l.states[i].t) + (l.states[i].c ? " (" + l.states[i].c + ")" : ""), colourOf(l.states[i].s)]);
	if (l.closed && Math.abs(l.closed.t - t) < reach) lines.push(["", "closed at " + time(l.closed.t) + " by " + l.closed.s]);
	l.datagrams.filter((d) => Math.abs(d.t - t) < reach).slice(0, 4).forEach((d) => lines.push(["", "datagram, " + bytes(d.s) + ", at " + time(d.t) + (d.n ? " and " + count(d.n) + " more" : "")]));
	l.marks.filter((m) => Math.abs(m.t - t) < reach).slice(0, 6).forEach((m) => lines.push(["", m.x + ", at " + time(m.t)]));
	tip(event, lines);
}

// hair shows a time in all lanes, and in the charts if it does not come from there.
function hair(t) {
	const e = byID("hair");
	e.hidden = t === null;
	if (t === null || !view.lanes.length) return;
	const area = view.lanes[0].area.getBoundingClientRect(), box = byID("lanes").getBoundingClientRect();
	e.style.left = area.left - box.left + position(t, area.width) + "px";
}

// dragLanes lets a drag over the lanes choose a range.
function dragLanes() {
	const box = byID("lanes");
	let from = null;
	const at = (e) => {
		const area = view.lanes[0].area.getBoundingClientRect();
		return { area, x: Math.min(Math.max(e.clientX - area.left, 0), area.width) };
	};
	const timeAt = ({ area, x }) => view.min + x / area.width * (view.max - view.min);
	box.addEventListener("mousedown", (e) => {
		if (e.button === 0 && e.target.closest("svg")) { from = at(e); e.preventDefault(); }
	});
	addEventListener("mousemove", (e) => {
		if (!from) return;
		const to = at(e), band = byID("band");
		band.hidden = false;
		band.style.left = to.area.left - box.getBoundingClientRect().left + Math.min(from.x, to.x) + "px";
		band.style.width = Math.abs(to.x - from.x) + "px";
	});
	addEventListener("mouseup", (e) => {
		if (!from) return;
		const [a, b, dx] = [timeAt(from), timeAt(at(e)), Math.abs(at(e).x - from.x)];
		from = null;
		byID("band").hidden = true;
		if (dx > 3) show(Math.min(a, b), Math.max(a, b));
	});
	box.addEventListener("dblclick", () => show(...limits()));
	box.addEventListener("wheel", (e) => onWheel(e, timeAt(at(e))), { passive: false });
}
