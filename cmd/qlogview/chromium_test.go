//go:build browser

package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// A chromium is a headless browser with one page, driven by the Chrome DevTools Protocol over a pipe.
type chromium struct {
	t       *testing.T
	in      *os.File
	out     *bufio.Reader
	id      int
	session string
	events  []message // that were not asked for
}

type message struct {
	ID        int             `json:"id,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// startChromium fails without a browser. CHROMIUM names it if it has another name.
func startChromium(t *testing.T) *chromium {
	t.Helper()
	names := []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "chrome"}
	i := slices.IndexFunc(names, func(name string) bool {
		_, err := exec.LookPath(name)
		return name != "" && err == nil
	})
	if i < 0 {
		t.Fatalf("no browser found: looked for %q and the variable CHROMIUM", names[1:])
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	cmd := exec.CommandContext(ctx, names[i], "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
		"--disable-dev-shm-usage", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir(), "about:blank")
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // 3 and 4 there
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	c := &chromium{t: t, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		c.session = ""
		c.call("Browser.close", nil, nil)
		cmd.Wait()
		cancel()
		in.Close()
		out.Close()
	})
	var target struct{ TargetID string }
	c.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var session struct{ SessionID string }
	c.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	c.session = session.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		c.call(domain+".enable", nil, nil)
	}
	c.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": 1400, "height": 1330, "deviceScaleFactor": 1, "mobile": false}, nil)
	return c
}

// call waits for the answer.
func (c *chromium) call(method string, params, result any) {
	c.t.Helper()
	c.id++
	m := map[string]any{"id": c.id, "method": method}
	if params != nil {
		m["params"] = params
	}
	if c.session != "" {
		m["sessionId"] = c.session
	}
	b, err := json.Marshal(m)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.in.Write(append(b, 0)); err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
	for {
		m := c.next(method)
		if m.ID != c.id {
			c.events = append(c.events, m)
			continue
		}
		if m.Error != nil {
			c.t.Fatalf("%s: %s", method, m.Error.Message)
		}
		if result == nil {
			return
		}
		if err := json.Unmarshal(m.Result, result); err != nil {
			c.t.Fatalf("%s: %v", method, err)
		}
		return
	}
}

func (c *chromium) next(waiting string) (m message) {
	c.t.Helper()
	b, err := c.out.ReadBytes(0)
	if err != nil {
		c.t.Fatalf("%s: %v", waiting, err)
	}
	if err := json.Unmarshal(b[:len(b)-1], &m); err != nil {
		c.t.Fatalf("%s: %v", waiting, err)
	}
	return m
}

// open loads a file and waits until its scripts have run.
func (c *chromium) open(file string) {
	c.t.Helper()
	c.events = nil
	c.call("Page.navigate", map[string]any{"url": "file://" + file}, nil)
	loaded := func(m message) bool { return m.Method == "Page.loadEventFired" }
	for !slices.ContainsFunc(c.events, loaded) {
		c.events = append(c.events, c.next("the page"))
	}
	c.settle()
}

// eval returns the value of a JavaScript expression.
func (c *chromium) eval(expression string, value any) {
	c.t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	c.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &r)
	if e := r.ExceptionDetails; e != nil {
		c.t.Fatalf("%s: %s %s", expression, e.Text, e.Exception.Description)
	}
	if value == nil {
		return
	}
	if err := json.Unmarshal(r.Result.Value, value); err != nil {
		c.t.Fatalf("%s is %s: %v", expression, r.Result.Value, err)
	}
}

// settle waits until what has happened is drawn.
func (c *chromium) settle() {
	c.t.Helper()
	c.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))", nil)
}

func (c *chromium) text(expression string) (s string) {
	c.t.Helper()
	c.eval(expression, &s)
	return s
}

func (c *chromium) number(expression string) (n float64) {
	c.t.Helper()
	c.eval(expression, &n)
	return n
}

// mouse does something at a place.
func (c *chromium) mouse(kind string, x, y float64, more map[string]any) {
	c.t.Helper()
	params := map[string]any{"type": kind, "x": x, "y": y}
	for k, v := range more {
		params[k] = v
	}
	c.call("Input.dispatchMouseEvent", params, nil)
}

// at returns a place in the element that a selector finds; fractions are of its width and height.
func (c *chromium) at(selector string, fx, fy float64) (x, y float64) {
	c.t.Helper()
	var r struct{ X, Y, Width, Height float64 }
	c.eval(fmt.Sprintf("(() => { const r = document.querySelector(%q).getBoundingClientRect(); return { x: r.x, y: r.y, width: r.width, height: r.height } })()", selector), &r)
	return r.X + fx*r.Width, r.Y + fy*r.Height
}

func (c *chromium) press(key string) {
	c.t.Helper()
	c.call("Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": key}, nil)
	c.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key}, nil)
	c.settle()
}

// complaints are the errors in the console, and what the page has asked the network for.
func (c *chromium) complaints() (list []string) {
	for _, m := range c.events {
		switch m.Method {
		case "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Page.javascriptDialogOpening":
			list = append(list, m.Method+" "+string(m.Params))
		case "Network.requestWillBeSent":
			if !strings.Contains(string(m.Params), `"url":"file://`) {
				list = append(list, m.Method+" "+string(m.Params))
			}
		}
	}
	return list
}

func (c *chromium) screenshot(file string) {
	c.t.Helper()
	var r struct{ Data string }
	c.call("Page.captureScreenshot", map[string]any{"format": "png"}, &r)
	b, err := base64.StdEncoding.DecodeString(r.Data)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o644); err != nil {
		c.t.Fatal(err)
	}
}
