package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A Figure is a bar chart: a group of bars for each name, one bar of each series in a group.
type Figure struct {
	File   string
	Title  string
	Y      string
	Groups []string
	Series []Series
}

// A Series are the bars of one colour. A negative value is none: it has no bar, and a dash in its place.
type Series struct {
	Name   string
	Colour int // index of palette, so that a series looks the same in each figure
	Values []float64
}

const (
	width  = 26 * vg.Centimeter
	height = 10 * vg.Centimeter
	// headroom is what the legend needs above the highest bar.
	headroom = 1.45
)

// palette is that of Okabe and Ito, which most people can tell apart.
var palette = []color.Color{
	color.RGBA{230, 159, 0, 255}, color.RGBA{86, 180, 233, 255}, color.RGBA{204, 121, 167, 255}, color.RGBA{0, 158, 115, 255},
	color.RGBA{213, 94, 0, 255},
}

func main() {
	in := flag.String("figures", "", "`file` of figures")
	out := flag.String("out", ".", "`directory` of the drawings")
	flag.Parse()
	if err := run(*in, *out); err != nil {
		fmt.Fprintln(os.Stderr, "plots:", err)
		os.Exit(1)
	}
}

func run(in, out string) error {
	text, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	var figures []Figure
	if err := json.Unmarshal(text, &figures); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, f := range figures {
		p, err := f.draw()
		if err != nil {
			return fmt.Errorf("%s: %w", f.File, err)
		}
		if err := p.Save(width, height, filepath.Join(out, f.File+".svg")); err != nil {
			return err
		}
	}
	return nil
}

func (f Figure) draw() (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = f.Title, f.Y
	p.Y.Min, p.Y.Max = 0, max(f.highest()*headroom, 1)
	p.NominalX(f.Groups...)
	p.X.Min, p.X.Max = -0.5, float64(len(f.Groups))-0.5
	p.Legend.Top = true
	grid := plotter.NewGrid()
	grid.Vertical.Color = nil
	p.Add(grid)
	// A group takes four fifths of its share.
	bar := width * 0.7 / vg.Length(len(f.Groups)*max(len(f.Series), 1))
	for i, s := range f.Series {
		bars, err := plotter.NewBarChart(s.heights(), bar)
		if err != nil {
			return nil, err
		}
		bars.Color = palette[s.Colour%len(palette)]
		bars.LineStyle.Width = 0
		bars.Offset = bar * (vg.Length(i) - vg.Length(len(f.Series)-1)/2)
		labels, err := s.labels(bars.Offset)
		if err != nil {
			return nil, err
		}
		p.Add(bars, labels)
		p.Legend.Add(s.Name, bars)
	}
	return p, nil
}

func (f Figure) highest() (h float64) {
	for _, s := range f.Series {
		h = max(h, slices.Max(s.Values))
	}
	return h
}

func (s Series) heights() (h plotter.Values) {
	for _, v := range s.Values {
		h = append(h, max(v, 0))
	}
	return h
}

func label(v float64) string {
	switch {
	case v < 0:
		return "-"
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// labels writes the values above the bars: a bar of height zero is a result too.
func (s Series) labels(offset vg.Length) (*plotter.Labels, error) {
	text := plotter.XYLabels{}
	for i, v := range s.Values {
		text.XYs = append(text.XYs, plotter.XY{X: float64(i), Y: max(v, 0)})
		text.Labels = append(text.Labels, label(v))
	}
	labels, err := plotter.NewLabels(text)
	if err != nil {
		return nil, err
	}
	for i := range labels.TextStyle {
		labels.TextStyle[i].Font.Size = 7
		labels.TextStyle[i].XAlign = draw.XCenter
	}
	labels.Offset = vg.Point{X: offset, Y: 2}
	return labels, nil
}
