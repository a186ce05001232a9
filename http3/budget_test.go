//go:build !race

package http3_test

import (
	"net/http"
	"testing"

	"github.com/quic-go/quic-go/internal/benchtest"
)

// requestAllocations is what a request and its response may allocate: client, server and simulated network together. The race detector allocates too, so this file is not built with it.
const requestAllocations = 53

func TestRequestsStayInBudget(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(kibibyte)
		request := func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url("/"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := fetchAll(w.client, req, 1<<10); err != nil {
				t.Fatal(err)
			}
		}
		const warmUp, requests = 100, 500
		for range warmUp {
			request()
		}
		before := benchtest.Allocations()
		for range requests {
			request()
		}
		got := float64(benchtest.Allocations()-before) / requests
		t.Logf("%.1f allocations", got)
		if got > requestAllocations {
			t.Errorf("%.1f allocations for a request, want %d at most", got, requestAllocations)
		}
	})
}
