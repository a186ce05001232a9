package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

var descPattern = regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)

// describe returns the labels of each metric.
func describe(c *Collector) map[string][]string {
	ch := make(chan *prometheus.Desc)
	go func() { c.Describe(ch); close(ch) }()
	metrics := make(map[string][]string)
	for d := range ch {
		m := descPattern.FindStringSubmatch(d.String())
		metrics[m[1]] = strings.Split(m[2], ",")
	}
	return metrics
}

var (
	metricPattern = regexp.MustCompile(`\b((?:quic|http3)_[a-z0-9_]+)(\{[^}]*\})?`)
	labelPattern  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
	byPattern     = regexp.MustCompile(`\bby\s*\(([^)]*)\)`)
)

type panel struct {
	Type    string  `json:"type"`
	Title   string  `json:"title"`
	Panels  []panel `json:"panels"`
	GridPos struct {
		H, W, X, Y int
	} `json:"gridPos"`
	Targets []struct {
		Expr         string `json:"expr"`
		LegendFormat string `json:"legendFormat"`
	} `json:"targets"`
}

// Each expression of the dashboard names metrics that exist, with labels that they have, and each metric is on it.
func TestDashboard(t *testing.T) {
	b, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Title  string  `json:"title"`
		Panels []panel `json:"panels"`
	}
	if err := json.Unmarshal(b, &dashboard); err != nil {
		t.Fatal(err)
	}
	metrics := describe(New(Options{}))
	if len(metrics) < 20 {
		t.Fatalf("only %d metrics", len(metrics))
	}
	used := make(map[string]bool)
	for _, p := range dashboard.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q has no expression", p.Title)
		}
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q is too far to the right", p.Title)
		}
		for _, target := range p.Targets {
			checkExpression(t, p.Title, target.Expr, target.LegendFormat, metrics, used)
		}
	}
	for name := range metrics {
		if !used[name] {
			t.Errorf("%s is on no panel", name)
		}
	}
}

func checkExpression(t *testing.T, title, expr, legend string, metrics map[string][]string, used map[string]bool) {
	t.Helper()
	if strings.Count(expr, "(") != strings.Count(expr, ")") || !metricPattern.MatchString(expr) {
		t.Errorf("panel %q: %q is no expression", title, expr)
	}
	allowed := []string{"job", "instance", "le"}
	for _, m := range metricPattern.FindAllStringSubmatch(expr, -1) {
		name := m[1]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base, ok := strings.CutSuffix(name, suffix); ok && metrics[base] != nil {
				name = base
			}
		}
		labels, ok := metrics[name]
		if !ok {
			t.Errorf("panel %q: %s does not exist", title, m[1])
			continue
		}
		if strings.HasSuffix(name, "_total") && !strings.Contains(expr, "rate("+m[0]) && !strings.Contains(expr, "increase("+m[0]) {
			t.Errorf("panel %q: %s is a counter, which is no use without its rate", title, name)
		}
		used[name] = true
		allowed = append(allowed, labels...)
		for _, l := range labelPattern.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(labels, l[1]) && l[1] != "job" && l[1] != "instance" {
				t.Errorf("panel %q: %s has no label %s", title, name, l[1])
			}
		}
	}
	var by []string
	for _, m := range byPattern.FindAllStringSubmatch(expr, -1) {
		for _, l := range strings.Split(m[1], ",") {
			by = append(by, strings.TrimSpace(l))
		}
	}
	for _, l := range by {
		if !slices.Contains(allowed, l) {
			t.Errorf("panel %q: no metric of %q has the label %s", title, expr, l)
		}
	}
	for _, m := range regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`).FindAllStringSubmatch(legend, -1) {
		if !slices.Contains(by, m[1]) {
			t.Errorf("panel %q: the legend shows %s, which %q does not keep", title, m[1], expr)
		}
	}
}
