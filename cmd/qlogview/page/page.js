// The page as a whole: which trace is on show, and the controls.

function fact(value, name, kind) {
	return make("div", { class: "fact " + (kind || "") }, make("b", {}, value), make("span", {}, name));
}

function facts(trace) {
	const n = trace.totals, last = (name) => trace.lines[name] && trace.lines[name].v.at(-1);
	const share = n.sent ? " (" + (100 * n.lost / n.sent).toFixed(n.lost ? 2 : 0) + " %)" : "";
	const list = [
		fact(time(trace.end - trace.offset, (trace.end - trace.offset) / 1000), "duration"),
		fact(count(n.sent), "packets sent, " + bytes(n.bytesSent)),
		fact(count(n.received), "packets received, " + bytes(n.bytesReceived)),
		fact(count(n.lost) + share, "lost", n.lost > 0 && "bad"),
		fact(count(n.dropped), "dropped", n.dropped > 0 && "bad"),
		fact(count(trace.streams.length), "streams"),
	];
	if (last("smoothed_rtt") !== undefined) list.push(fact(time(last("smoothed_rtt")), "smoothed RTT at the end"));
	const end = trace.marks.findLast((m) => m.k === "closed");
	list.push(fact(end ? end.x.replace(/^connection closed,? ?/, "") || "closed" : "open", "end of the connection", "long"));
	return list;
}

// choose shows a trace in the same range of time.
function choose(trace) {
	view.trace = trace;
	byID("tooltip").hidden = true;
	const side = trace.side || "trace";
	document.title = side + " " + trace.group + " – qlogview";
	byID("title").replaceChildren(side + (trace.group ? " of connection " + trace.group : ""),
		make("small", {}, [trace.file, trace.start, count(trace.events) + " events"].filter(Boolean).join(" · ")));
	byID("facts").replaceChildren(...facts(trace));
	byID("remarks").replaceChildren(...trace.remarks.map((r) => make("li", {}, r)));
	byID("tabs").childNodes.forEach((b, i) => b.setAttribute("aria-selected", view.traces[i] === trace));
	makeLanes(trace);
	drawCharts(trace);
	show(view.min, view.max);
}

function controls() {
	const actions = {
		"zoom-in": () => zoom(0.5), "zoom-out": () => zoom(2), "pan-left": () => pan(-0.25), "pan-right": () => pan(0.25),
		"zoom-all": () => show(...limits()),
	};
	for (const [id, action] of Object.entries(actions)) byID(id).addEventListener("click", action);
	const keys = new Map([["+", "zoom-in"], ["-", "zoom-out"], ["ArrowLeft", "pan-left"], ["ArrowRight", "pan-right"], ["0", "zoom-all"]]);
	addEventListener("keydown", (e) => {
		if (keys.has(e.key) && !e.ctrlKey && !e.metaKey && !e.altKey) actions[keys.get(e.key)]();
	});
	addEventListener("resize", () => choose(view.trace));
	matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => choose(view.trace));
}

view.traces = JSON.parse(byID("data").textContent);
view.traces.forEach((t) => { shift(t, t.offset); t.end += t.offset; });
if (view.traces.length > 1) {
	byID("tabs").append(...view.traces.map((t) => {
		const b = make("button", { role: "tab" }, t.side || t.file);
		b.addEventListener("click", () => choose(t));
		return b;
	}));
}
[view.min, view.max] = limits();
controls();
dragLanes();
choose(view.traces[0]);
