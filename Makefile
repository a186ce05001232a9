# Targets for contributors; see CONTRIBUTING.md. .ci/run is what every change must pass.
GO ?= go
FUZZTIME ?= 10s
SEEDS ?= 10000
BENCH ?= .
BENCHTIME ?= 200ms
CROSS = linux/amd64 linux/386 linux/arm64 darwin/arm64 windows/amd64 freebsd/amd64

.PHONY: check full fmt vet staticcheck archtest test race cross fuzz soak goodput bench bench-compare metrics qlogview-browser

# check is for the minutes between two edits.
check: fmt vet staticcheck archtest race

# full is for the hour before a release.
full: fmt vet staticcheck test race cross fuzz soak
	$(GO) test -count=3 ./...

fmt:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "these files need gofmt"; exit 1; }

vet:
	$(GO) vet ./...

staticcheck:
	@if command -v staticcheck >/dev/null; then staticcheck ./...; else echo "staticcheck is not installed, left out"; fi

archtest:
	$(GO) test ./internal/archtest

test:
	$(GO) test ./...

race:
	.ci/race

cross:
	@set -e; for target in $(CROSS); do \
		echo "build $$target"; \
		GOOS=$${target%/*} GOARCH=$${target#*/} $(GO) build ./...; \
		GOOS=$${target%/*} GOARCH=$${target#*/} $(GO) vet ./...; \
	done

# fuzz runs every fuzz target of the module for FUZZTIME each.
fuzz:
	@set -e; for dir in $$(grep -rl --include=*_test.go '^func Fuzz' . | xargs -n 1 dirname | sort -u); do \
		for target in $$($(GO) test -list '^Fuzz' $$dir | grep '^Fuzz' || true); do \
			echo "fuzz $$dir $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$dir; \
		done; \
	done

# soak plays SEEDS random networks and workloads. One that fails is played again with QUIC_TEST_SEED=its seed.
soak:
	QUIC_TEST_SEEDS=$(SEEDS) $(GO) test . -run '^TestSoak$$' -count=1 -timeout 0

# goodput prints how much of simulated links each congestion controller uses, and fails if that is too little.
goodput:
	$(GO) test ./integrationtests/goodput -run Table -v -count=1

# bench runs the benchmarks that match BENCH, COUNT times each, and leaves the results in bench.txt; see docs/benchmarks.md.
bench: COUNT ?= 1
bench:
	@GO=$(GO) BENCH='$(BENCH)' BENCHTIME=$(BENCHTIME) COUNT=$(COUNT) .ci/bench run

# bench-compare compares them with those of the revision OLD.
bench-compare: COUNT ?= 6
bench-compare:
	@GO=$(GO) BENCH='$(BENCH)' BENCHTIME=$(BENCHTIME) COUNT=$(COUNT) .ci/bench compare $(OLD)

# metrics tests the module in metrics, which go test ./... leaves out.
metrics:
	cd metrics && $(GO) vet ./... && $(GO) test ./...

# qlogview-browser tests the pages of qlogview in a headless Chromium, which has to be installed.
qlogview-browser:
	$(GO) test -tags browser -run Browser -count=1 ./cmd/qlogview
