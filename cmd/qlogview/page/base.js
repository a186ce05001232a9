"use strict";
// What the other parts share: the trace on show, the range of time on show, the tooltip.

const view = { traces: [], trace: null, min: 0, max: 1, charts: [], lanes: [] };

// make returns a new element. Texts are never HTML: they come from the file.
function make(tag, attributes, ...children) {
	const e = document.createElement(tag);
	for (const [k, v] of Object.entries(attributes || {})) e.setAttribute(k, v);
	e.append(...children);
	return e;
}

function svg(tag, attributes) {
	const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
	for (const [k, v] of Object.entries(attributes || {})) e.setAttribute(k, v);
	return e;
}

const byID = (id) => document.getElementById(id);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

// paint sets a colour. The policy of the page allows no style attributes, but properties.
function paint(e, colour) {
	e.style.background = colour;
	return e;
}

const swatch = (colour) => paint(make("i", { class: "swatch" }), colour);

function bytes(n) {
	const a = Math.abs(n);
	if (a >= 1e9) return (n / 1e9).toFixed(2) + " GB";
	if (a >= 1e6) return (n / 1e6).toFixed(2) + " MB";
	if (a >= 1e4) return (n / 1e3).toFixed(1) + " kB";
	return Math.round(n) + " B";
}

// time returns a time or duration in milliseconds as text; step is what should be told apart.
function time(ms, step) {
	const digits = (unit) => Math.min(6, Math.max(0, Math.ceil(-Math.log10((step || 0.001) / unit))));
	if (Math.abs(ms) >= 10000) return (ms / 1000).toFixed(digits(1000)) + " s";
	return ms.toFixed(digits(1)) + " ms";
}

const count = (n) => n.toLocaleString("en");

// after returns how many of the times are at most t. They are in order.
function after(times, t) {
	let low = 0, high = times.length;
	while (low < high) {
		const mid = (low + high) >> 1;
		if (times[mid] <= t) low = mid + 1; else high = mid;
	}
	return low;
}

// shift adds the offset of the trace to all its times, so that the sides of a connection have one time.
function shift(value, d) {
	if (Array.isArray(value)) {
		value.forEach((v) => shift(v, d));
	} else if (value && typeof value === "object") {
		if (Array.isArray(value.t)) value.t = value.t.map((t) => t + d);
		else if (typeof value.t === "number") value.t += d;
		for (const v of Object.values(value)) if (typeof v === "object") shift(v, d);
	}
}

// limits returns the range that shows everything.
function limits() {
	const begin = Math.min(...view.traces.map((t) => t.offset)), end = Math.max(...view.traces.map((t) => t.end), begin + 0.01);
	const margin = (end - begin) * 0.015;
	return [begin - margin, end + margin];
}

// show sets the range of time.
function show(min, max) {
	const [first, last] = limits();
	const width = Math.min(Math.max(max - min, (last - first) * 1e-7, 0.001), last - first);
	view.min = Math.min(Math.max(min, first), last - width);
	view.max = view.min + width;
	byID("range").value = time(view.min, width / 1000) + " to " + time(view.max, width / 1000) + " (" + time(width, width / 1000) + ")";
	view.charts.forEach((u) => u.setScale("x", { min: view.min, max: view.max }));
	drawLanes();
}

// zoom makes the range smaller or larger around a time.
function zoom(factor, around) {
	const t = around === undefined ? (view.min + view.max) / 2 : around;
	show(t - (t - view.min) * factor, t + (view.max - t) * factor);
}

function pan(part) {
	const d = (view.max - view.min) * part;
	show(view.min + d, view.max + d);
}

// onWheel is for charts and lanes; the wheel alone scrolls the page.
function onWheel(event, t) {
	if (!event.ctrlKey && !event.shiftKey) return;
	event.preventDefault();
	const delta = event.deltaY || event.deltaX;
	if (event.ctrlKey) zoom(delta > 0 ? 1.3 : 1 / 1.3, t); else pan(delta > 0 ? 0.15 : -0.15);
}

// tip shows the tooltip at the pointer, or hides it without lines. A line is [class, text] or [class, text, colour].
function tip(event, lines) {
	const box = byID("tooltip");
	box.hidden = !lines || lines.length === 0;
	if (box.hidden) return;
	box.replaceChildren(...lines.map(([kind, text, colour]) => {
		const e = make("div", { class: kind });
		if (colour) e.append(swatch(colour));
		e.append(text);
		return e;
	}));
	const { width, height } = box.getBoundingClientRect();
	const x = event.clientX + 16 + width > innerWidth ? event.clientX - 16 - width : event.clientX + 16;
	const y = event.clientY + 16 + height > innerHeight ? event.clientY - 16 - height : event.clientY + 16;
	box.style.left = Math.max(4, x) + "px";
	box.style.top = Math.max(4, y) + "px";
}
