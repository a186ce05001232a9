// The charts of packets, congestion control and RTT.

const axisSize = 70; // with the column of the legend it is as wide as what stands left of the lanes

// stems draws a line from zero to each value.
function stems(u, i, i0, i1) {
	const path = new Path2D(), x = u.data[0], y = u.data[i], zero = u.valToPos(0, "y", true);
	for (let k = i0; k <= i1; k++) {
		if (y[k] == null) continue;
		const left = Math.round(u.valToPos(x[k], "x", true));
		path.moveTo(left, zero);
		path.lineTo(left, u.valToPos(y[k], "y", true));
	}
	return { stroke: path, fill: null };
}

// crosses draws an x at each value.
function crosses(u, i, i0, i1) {
	const path = new Path2D(), x = u.data[0], y = u.data[i], r = 4 * devicePixelRatio;
	for (let k = i0; k <= i1; k++) {
		if (y[k] == null) continue;
		const left = u.valToPos(x[k], "x", true), top = u.valToPos(y[k], "y", true);
		path.moveTo(left - r, top - r); path.lineTo(left + r, top + r);
		path.moveTo(left - r, top + r); path.lineTo(left + r, top - r);
	}
	return { stroke: path, fill: null };
}

const noPoints = { show: false };

// timeAxis is the lower axis; all charts have it.
function timeAxis() {
	return {
		stroke: css("soft"), grid: { stroke: css("grid"), width: 1 }, ticks: { show: false }, size: 24, gap: 4,
		values: (u, splits) => splits.map((v) => time(v, splits.length > 1 ? splits[1] - splits[0] : 1)),
	};
}

function valueAxis(values) {
	return { stroke: css("soft"), grid: { stroke: css("grid"), width: 1 }, ticks: { show: false }, size: axisSize, gap: 6, values };
}

// chart adds a row with a legend and a plot. Each series has a name, a colour and perhaps more of uPlot's options.
// tables are pairs of times and values, one for each series.
function chart(title, height, tables, series, options) {
	const legend = make("div", {}, make("h2", {}, title)), plot = make("div", { class: "plot" });
	const row = make("div", { class: "row" }, legend, plot);
	byID("charts").append(row);
	const data = tables.some(([t]) => t.length) ? uPlot.join(tables) : [[0], ...tables.map(() => [null])];
	const u = new uPlot({
		width: plot.clientWidth, height, legend: { show: false }, padding: [8, 24, 0, 0],
		scales: { x: { time: false, range: () => [view.min, view.max] }, y: { range: options.range } },
		axes: [timeAxis(), valueAxis(options.axis)],
		cursor: { sync: { key: "qlogview" }, points: { show: false }, drag: { x: true, y: false, setScale: false } },
		series: [{}, ...series.map((s) => ({ points: noPoints, spanGaps: true, ...s, label: s.name }))],
		hooks: {
			drawClear: options.before ? [options.before] : [],
			draw: options.after ? [options.after] : [],
			setCursor: [(u) => onCursor(u, legend, options)],
			setSelect: [(u) => select(u)],
		},
	}, data, plot);
	series.forEach((s, i) => legend.append(key(u, s, i + 1)));
	u.over.addEventListener("dblclick", () => show(...limits()));
	u.over.addEventListener("wheel", (e) => onWheel(e, u.posToVal(e.offsetX, "x")), { passive: false });
	u.over.addEventListener("mousemove", (e) => tip(e, options.tip(u, e.offsetX, e.offsetY)));
	u.over.addEventListener("mouseleave", (e) => tip(e));
	view.charts.push(u);
}

// key is the entry of a series in the legend. A click hides the series.
function key(u, s, i) {
	const e = make("div", { class: "key" }, swatch(s.stroke), s.name, make("b", {}));
	e.addEventListener("click", () => {
		u.setSeries(i, { show: !u.series[i].show });
		e.classList.toggle("off", !u.series[i].show);
	});
	return e;
}

function select(u) {
	const { left, width } = u.select;
	if (width < 3) return;
	u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
	show(u.posToVal(left, "x"), u.posToVal(left + width, "x"));
}

// onCursor shows the values at the cursor in the legend, and the time in the lanes.
function onCursor(u, legend, options) {
	const out = u.cursor.left < 0, t = u.posToVal(u.cursor.left, "x");
	if (options.values) {
		const values = out ? [] : options.values(t);
		legend.querySelectorAll("b").forEach((b, i) => { b.textContent = values[i] || ""; });
	}
	if (u === view.charts[0]) hair(out ? null : t);
}

// packetTable returns times and sizes of packets for a series.
const packetTable = (list, sign) => [list.map((p) => p.t), list.map((p) => sign * Math.max(p.s, 1))];

function packetChart(trace) {
	const sizes = new Map(trace.sent.map((p) => [p.p, p.s]));
	const lost = trace.lost.map((p) => ({ ...p, s: p.s || sizes.get(p.p) || 1200 }));
	const groups = [
		{ name: "sent", colour: css("sent"), sign: 1, list: trace.sent },
		{ name: "received", colour: css("received"), sign: -1, list: trace.received },
		{ name: "sent and lost", colour: css("lost"), sign: 1, list: trace.sent.filter((p) => p.l) },
		{ name: "declared lost", colour: css("lost"), sign: 1, list: lost, paths: crosses },
		{ name: "dropped", colour: css("dropped"), sign: -1, list: trace.dropped },
	];
	groups.forEach((g) => { g.times = g.list.map((p) => p.t); });
	const drawn = Math.max(trace.sent.length, trace.received.length, 1);
	const width = Math.min(3, Math.max(1, 1200 / drawn));
	chart("Packets", 170, groups.map((g) => packetTable(g.list, g.sign)),
		groups.map((g) => ({ name: g.name, stroke: g.colour, width: g.paths ? 1.8 : width, paths: g.paths || stems })),
		{
			range: (u, low, high) => [Math.min(low, 0) * 1.1 - 1, Math.max(high, 0) * 1.1 + 1],
			axis: (u, splits) => splits.map((v) => bytes(Math.abs(v))),
			tip: (u, x, y) => packetTip(u, groups, x, y),
		});
}

// packetTip describes the packet that is closest to the pointer.
function packetTip(u, groups, x, y) {
	let best = null, distance = 10;
	for (const [i, g] of groups.entries()) {
		if (!u.series[i + 1].show) continue;
		const from = after(g.times, u.posToVal(x - 10, "x")), to = Math.min(after(g.times, u.posToVal(x + 10, "x")), from + 500);
		for (let k = from; k < to; k++) {
			const top = u.valToPos(g.sign * Math.max(g.list[k].s, 1), "y"), zero = u.valToPos(0, "y");
			const dy = Math.max(Math.min(top, zero) - y, y - Math.max(top, zero), 0);
			const d = Math.hypot(u.valToPos(g.times[k], "x") - x, dy / 3) - (g.paths ? 2 : 0);
			if (d < distance) [best, distance] = [{ g, p: g.list[k] }, d];
		}
	}
	if (!best) return [["t", time(u.posToVal(x, "x"), (view.max - view.min) / 1000)]];
	const { g, p } = best;
	const lines = [["h", g.name + ": " + p.p + (p.s ? ", " + bytes(p.s) : ""), g.colour], ["t", "at " + time(p.t)]];
	if (p.i) lines.push(["", p.i]);
	if (p.n) lines.push(["t", "the largest of " + count(p.n + 1) + " in its interval"]);
	return lines;
}

// lineOf returns times and values of a line, continued to the end of the trace.
function lineOf(trace, name) {
	const line = trace.lines[name];
	if (!line) return { t: [], v: [] };
	const t = line.t.slice(), v = line.v.slice();
	if (t[t.length - 1] < trace.end) {
		t.push(trace.end);
		v.push(v[v.length - 1]);
	}
	return { t, v };
}

// lineChart is a chart of lines that hold their value until the next one.
function lineChart(title, height, trace, series, format, more) {
	const used = series.filter((s) => trace.lines[s.line]);
	const lines = used.map((s) => lineOf(trace, s.line));
	const values = (t) => lines.map((l) => {
		const i = after(l.t, t) - 1;
		return i < 0 ? "" : format(l.v[i]);
	});
	chart(title, height, lines.map((l) => [l.t, l.v]), used.map((s) => ({ paths: uPlot.paths.stepped({ align: 1 }), ...s })), {
		range: (u, low, high) => [0, (high || 1) * 1.2], axis: (u, splits) => splits.map(format), values,
		tip: (u, x) => {
			const t = u.posToVal(x, "x"), v = values(t);
			const lines = [["t", time(t, (view.max - view.min) / 1000)]];
			used.forEach((s, i) => { if (v[i]) lines.push(["", s.name + ": " + v[i], s.stroke]); });
			return more.tip ? lines.concat(more.tip(t)) : lines;
		},
		before: more.before, after: more.after,
	});
}

const congestionColours = new Map([
	["slow_start", "47, 111, 222"], ["congestion_avoidance", "18, 165, 148"], ["recovery", "229, 72, 77"],
	["application_limited", "139, 152, 169"],
]);

// congestionStates calls draw with the visible part of each state of congestion control.
function congestionStates(u, trace, draw) {
	const { left, width } = u.bbox, list = trace.congestion;
	list.forEach((s, i) => {
		const x0 = Math.max(u.valToPos(s.t, "x", true), left);
		const x1 = Math.min(u.valToPos(i + 1 < list.length ? list[i + 1].t : trace.end, "x", true), left + width);
		if (x1 > x0) draw(s.s, congestionColours.get(s.s) || "110, 86, 207", x0, x1);
	});
}

// statesBehind paints the states behind the chart.
function statesBehind(u, trace) {
	const { top, height } = u.bbox, ctx = u.ctx;
	congestionStates(u, trace, (state, colour, x0, x1) => {
		ctx.fillStyle = "rgba(" + colour + ", .08)";
		ctx.fillRect(x0, top, x1 - x0, height);
		ctx.fillStyle = "rgb(" + colour + ")";
		ctx.fillRect(x0, top, x1 - x0, 2 * devicePixelRatio);
	});
}

// stateNames writes the names of the states where there is room.
function stateNames(u, trace) {
	const ctx = u.ctx;
	ctx.save();
	ctx.font = 10.5 * devicePixelRatio + "px system-ui, sans-serif";
	ctx.textBaseline = "top";
	ctx.textAlign = "left";
	congestionStates(u, trace, (state, colour, x0, x1) => {
		const label = state.replaceAll("_", " ");
		ctx.fillStyle = "rgb(" + colour + ")";
		if (ctx.measureText(label).width + 8 < x1 - x0) ctx.fillText(label, x0 + 4, u.bbox.top + 5 * devicePixelRatio);
	});
	ctx.restore();
}

// losses draws a tick for each lost packet at the bottom of the chart.
function losses(u, trace) {
	const { left, top, width, height } = u.bbox, ctx = u.ctx;
	ctx.fillStyle = css("lost");
	for (const p of trace.lost) {
		const x = u.valToPos(p.t, "x", true);
		if (x >= left && x <= left + width) ctx.fillRect(x - devicePixelRatio, top + height - 9 * devicePixelRatio, 2 * devicePixelRatio, 9 * devicePixelRatio);
	}
}

function congestionChart(trace) {
	const times = trace.congestion.map((s) => s.t);
	lineChart("Congestion control", 160, trace, [
		{ name: "window", line: "congestion_window", stroke: css("window"), width: 2 },
		{ name: "bytes in flight", line: "bytes_in_flight", stroke: css("flight"), width: 1, fill: "rgba(47, 111, 222, .18)" },
		{ name: "ssthresh", line: "ssthresh", stroke: css("soft"), width: 1, dash: [4, 4] },
	], bytes, {
		before: (u) => statesBehind(u, trace),
		after: (u) => { losses(u, trace); stateNames(u, trace); },
		tip: (t) => {
			const i = after(times, t) - 1;
			return i < 0 || t > trace.end ? [] : [["", "state: " + trace.congestion[i].s]];
		},
	});
}

function rttChart(trace) {
	lineChart("RTT", 130, trace, [
		{ name: "latest", line: "latest_rtt", stroke: css("latest"), width: 1.5 },
		{ name: "smoothed", line: "smoothed_rtt", stroke: css("smoothed"), width: 2 },
		{ name: "minimum", line: "min_rtt", stroke: css("minimum"), width: 1.5, dash: [4, 4] },
	], (v) => (v < 10 ? v.toFixed(2) : v.toFixed(1)) + " ms", {});
}

// drawCharts makes the charts of a trace anew.
function drawCharts(trace) {
	view.charts.forEach((u) => u.destroy());
	view.charts = [];
	byID("charts").replaceChildren();
	packetChart(trace);
	congestionChart(trace);
	rttChart(trace);
}
