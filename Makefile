# Targets for people; .ci/run is what the build machine runs.
GO ?= go
LINT = $(GO) tool -modfile=tools/go.mod golangci-lint

.PHONY: help build demo test race check lint generate fuzz bench e2e clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

build: ## build bin/sallyport, static
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/sallyport ./cmd/sallyport

demo: ## run the whole chain on this machine
	$(GO) run ./cmd/sallyport demo

test: ## run the tests
	$(GO) test ./...

race: ## run the tests with the race detector, shuffled
	$(GO) test -race -shuffle=on ./...

lint: ## run the linters
	$(LINT) run ./...

generate: ## write the generated documents again
	$(GO) run ./cmd/sallyport settings --markdown > docs/settings.md
	$(GO) run ./cmd/sallyport findings --markdown > docs/findings.md
	$(GO) run ./cmd/sallyport policies --markdown > docs/policies.md

check: generate lint race ## everything a change must pass; the tree must be clean afterwards
	gofmt -l . | (! grep .)
	git diff --exit-code

fuzz: ## a short run of every fuzz target
	./.ci/fuzz 10s

e2e: ## end-to-end tests against the built binary
	$(GO) test ./e2e

bench: ## benchmarks of the hot path, with allocations
	$(GO) test -run '^$$' -bench . -benchmem ./internal/...

clean: ## remove what was built
	rm -rf bin dist
