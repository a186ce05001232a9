//go:build browser

package main

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var screenshot = flag.String("screenshot", "", "write a picture of the page to `file`")

// makePage returns the name of a page of the files.
func makePage(t *testing.T, files ...[]byte) string {
	t.Helper()
	dir := t.TempDir()
	var names []string
	for i, b := range files {
		names = append(names, filepath.Join(dir, []string{"server", "client"}[i]+".sqlog"))
		if err := os.WriteFile(names[i], b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page := filepath.Join(dir, "page.html")
	if err := convert(page, names); err != nil {
		t.Fatal(err)
	}
	return page
}

func (c *chromium) clean() {
	c.t.Helper()
	for _, s := range c.complaints() {
		c.t.Error(s)
	}
}

func (c *chromium) want(what, got string, parts ...string) {
	c.t.Helper()
	for _, p := range parts {
		if !strings.Contains(got, p) {
			c.t.Errorf("%s is %q, want %q in it", what, got, p)
		}
	}
}

const (
	tooltip = "document.querySelector('#tooltip').hidden ? '' : document.querySelector('#tooltip').innerText"
	shown   = "view.max - view.min"
)

func TestBrowserShowsAConnection(t *testing.T) {
	client, server := scene(t)
	c := startChromium(t)
	c.open(makePage(t, server, client))
	if *screenshot != "" {
		x, y := c.at("[data-stream='12'][data-half=send] .closed", 0, 0.5)
		c.mouse("mouseMoved", x, y, nil)
		c.settle()
		c.screenshot(*screenshot)
	}
	c.want("the title", c.text("document.title"), "server", "qlogview")
	if n := c.number("document.querySelectorAll('#charts canvas').length"); n != 3 {
		t.Errorf("%v charts, want 3", n)
	}
	if n := c.number("document.querySelectorAll('[data-half=send]').length * 100 + document.querySelectorAll('[data-half=receive]').length"); n != 606 {
		t.Errorf("lanes of halves: %v, want 6 and 6", n)
	}
	states := c.text("[...new Set([...document.querySelectorAll('#lanes rect[data-state]')].map((r) => r.dataset.state))].join()")
	c.want("the states", states, "send", "receive", "data_sent", "data_received", "reset_sent", "reset_received", "stopped", "discarded", "data_read")
	if n := c.number("document.querySelectorAll('.closed').length"); n < 12 {
		t.Errorf("%v moments of closing, want 12 at least", n)
	}
	c.want("the source of states", c.text("document.querySelector('#source').innerText"), "stream_state_updated")
	checkTooltips(c)
	checkZoom(c)
	c.eval("document.querySelectorAll('#tabs button')[1].click()", nil)
	c.settle()
	c.want("the title", c.text("document.querySelector('#title').innerText"), "client of connection")
	c.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": "dark"}}}, nil)
	c.settle()
	if got := c.text("css('bg')"); got != "#10151b" {
		t.Errorf("dark background %s", got)
	}
	if *screenshot != "" {
		c.screenshot(strings.TrimSuffix(*screenshot, ".png") + "-dark.png")
	}
	c.clean()
}

// checkTooltips moves the mouse over a lane, a moment of closing, a datagram, a packet and a line.
func checkTooltips(c *chromium) {
	c.t.Helper()
	over := func(x, y float64) string {
		c.mouse("mouseMoved", x, y, nil)
		c.settle()
		return c.text(tooltip)
	}
	lane := "[data-stream='12'][data-half=send] "
	c.want("the tooltip of a lane", over(c.at(lane+"rect[data-state=send]", 0.3, 0.9)), "stream 12, send half", "send since")
	c.want("the tooltip of a moment of closing", over(c.at(lane+".closed", 0, 0.5)), "closed at", "by reset_queued")
	x, _ := c.at(lane+".datagrams", 0, 0.5)
	_, y := c.at(lane+"svg", 0, 0.5)
	c.want("the tooltip of a datagram", over(x+2.5, y), "datagram, 100 B")
	c.eval("window.packet = view.trace.sent.find((p) => p.i.includes('STREAM') && p.s > 1000)", nil)
	x = c.number("view.charts[0].over.getBoundingClientRect().x + view.charts[0].valToPos(window.packet.t, 'x')")
	y = c.number("view.charts[0].over.getBoundingClientRect().y + view.charts[0].valToPos(window.packet.s / 2, 'y')")
	c.want("the tooltip of a packet", over(x, y), "sent", "1RTT", "STREAM")
	c.want("the legend of congestion control", c.text("document.querySelectorAll('#charts .row')[1].innerText"), "kB")
	for i, want := range []string{"window: ", "smoothed: "} {
		x, y := c.at(".row:nth-child("+string(rune('2'+i))+") .u-over", 0.5, 0.5)
		c.want("the tooltip of a line", over(x, y), want)
	}
	if got := over(5, 5); got != "" {
		c.t.Errorf("the tooltip is still there: %q", got)
	}
}

// checkZoom drags over a chart and over the lanes, and uses wheel, keys and buttons.
func checkZoom(c *chromium) {
	c.t.Helper()
	all := c.number(shown)
	drag := func(selector string) {
		x0, y := c.at(selector, 0.2, 0.5)
		x1, _ := c.at(selector, 0.4, 0.5)
		left := map[string]any{"button": "left", "buttons": 1, "clickCount": 1}
		c.mouse("mouseMoved", x0, y, nil)
		c.mouse("mousePressed", x0, y, left)
		c.mouse("mouseMoved", (x0+x1)/2, y, left)
		c.mouse("mouseMoved", x1, y, left)
		c.mouse("mouseReleased", x1, y, left)
		c.settle()
	}
	is := func(how string, want float64) {
		c.t.Helper()
		if got := c.number(shown); got < want*0.98 || got > want*1.02 {
			c.t.Errorf("%s: the page shows %v ms, want %v", how, got, want)
		}
		if axis := c.number("view.charts[2].scales.x.max - view.charts[2].scales.x.min"); axis < want*0.98 || axis > want*1.02 {
			c.t.Errorf("%s: the charts show %v ms, want %v", how, axis, want)
		}
	}
	drag(".row:nth-child(1) .u-over")
	is("a drag over a chart", all/5)
	drag("[data-stream='0'][data-half=send] svg")
	is("a drag over the lanes", all/25)
	c.press("-")
	is("the key for less", all/12.5)
	c.eval("document.querySelector('#zoom-all').click()", nil)
	is("the button for all", all)
	x, y := c.at("[data-stream='0'][data-half=send] svg", 0.5, 0.5)
	c.mouse("mouseWheel", x, y, map[string]any{"deltaX": 0, "deltaY": -100, "modifiers": 2})
	c.settle()
	is("the wheel", all/1.3)
	c.press("0")
	is("the key for all", all)
}

func TestBrowserKeepsHostileTextsTexts(t *testing.T) {
	c := startChromium(t)
	c.open(makePage(t, []byte(hostileFile())))
	c.want("what is broken", c.text("String(window.broken)"), "undefined")
	c.want("the title", c.text("document.querySelector('#title').textContent"), cut(hostileTexts[0], 40))
	c.want("the lanes", c.text("document.querySelector('#lanes').textContent"), hostileTexts[2])
	for _, p := range []string{"0.3", "0.9"} {
		c.eval("show(view.max * "+p+", view.max)", nil)
	}
	c.clean()
}

func TestBrowserWithoutStates(t *testing.T) {
	client, _ := scene(t)
	lines := strings.SplitAfter(string(client), "\n")
	lines = slices.DeleteFunc(lines, func(s string) bool { return strings.Contains(s, "stream_state_updated") })
	c := startChromium(t)
	c.open(makePage(t, []byte(strings.Join(lines, ""))))
	c.want("the source of states", c.text("document.querySelector('#source').innerText"), "reconstructed from the frames")
	c.open(makePage(t, []byte(sequence(`{"time":5,"name":"a:b","data":{}}`))))
	c.want("the source of states", c.text("document.querySelector('#source').innerText"), "neither states nor frames")
	c.clean()
}

func TestBrowserDrawsTheLimits(t *testing.T) {
	var l log
	for i := range 30_000 {
		l.sent(streamFrame(4*(i%1000), i, 1000, i%3 == 0)).received(`{"frame_type":"datagram","length":3}`)
	}
	c := startChromium(t)
	c.open(makePage(t, []byte(sequence(l.records...))))
	c.want("the remarks", c.text("document.querySelector('#remarks').innerText"), "Of 30000 packets sent", "Only the first 400 streams")
	if n := c.number("(() => { const from = performance.now(); zoom(0.9); return performance.now() - from })()"); n > 2000 {
		t.Errorf("a step of the zoom takes %v ms", n)
	} else {
		t.Logf("a step of the zoom takes %.0f ms", n)
	}
	c.clean()
}
