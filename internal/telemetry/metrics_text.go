package telemetry

import (
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

// The series. Every label takes values from the configuration or from a closed
// list, never from a client.
var (
	descRequests   = desc("requests_total", "Requests by API, status code and reason of the last error.", "api", "code", "reason")
	descDuration   = desc("request_duration_seconds", "Duration of requests: in all, in the gateway itself, waiting for the backend.", "api", "step")
	descInFlight   = desc("requests_in_flight", "Requests being served by the gateway.")
	descBackend    = desc("backend_requests_total", "Calls to backends by status code; error = no answer.", "backend", "code")
	descServed     = desc("serving_requests_total", "Calls of serving endpoints by status code.", "endpoint", "code")
	descServedFor  = desc("serving_request_duration_seconds", "Duration of calls of serving endpoints.", "endpoint")
	descGeneration = desc("config_generation", "Number of the configuration in force.")
	descSuccess    = desc("config_last_success_timestamp_seconds", "When a configuration was last accepted.")
	descReload     = desc("config_reload_total", "Attempts to load the configuration by result.", "result")
	descFindings   = desc("config_findings", "Findings of the last attempt by severity.", "severity")
	descTokens     = desc("llm_tokens_total", "Tokens that models reported in their answers; type is prompt or completion.", "api", "type")
	descLogDropped = desc("log_lines_dropped_total", "Log lines lost because the log could not be written fast enough.")
	descBuild      = desc("build_info", "Always 1; the version is in the labels.", "version", "goversion")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("sallyport_"+name, help, labels, nil)
}

// WriteText writes all series in the Prometheus text format 0.0.4. The
// registry lives for one call: what is counted lives in Metrics alone.
func (m *Metrics) WriteText(w io.Writer) error {
	reg := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		exposition{m},
	} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	families, err := reg.Gather()
	if err != nil {
		return fmt.Errorf("gather metrics: %w", err)
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return fmt.Errorf("write metrics: %w", err)
		}
	}
	return nil
}

// exposition is Metrics as a collector.
type exposition struct{ m *Metrics }

// Describe implements prometheus.Collector.
func (e exposition) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descRequests, descDuration, descInFlight, descBackend, descServed, descServedFor,
		descTokens, descGeneration, descSuccess, descReload, descFindings, descLogDropped, descBuild,
	} {
		ch <- d
	}
	for _, d := range append(intakeDescs(), socketDescs()...) {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (e exposition) Collect(ch chan<- prometheus.Metric) {
	e.traffic(ch)
	e.configuration(ch)
	e.intake(ch)
	e.websockets(ch)
	gauge(ch, descBuild, 1, e.m.version, runtime.Version())
	if f := e.m.inFlight.Load(); f != nil {
		gauge(ch, descInFlight, float64((*f)()))
	}
	if f := e.m.logDropped.Load(); f != nil {
		counter(ch, descLogDropped, (*f)())
	}
}

func (e exposition) traffic(ch chan<- prometheus.Metric) {
	steps := [...]string{"total", "gateway", "backend"}
	e.m.apis.each(func(id string, a *APIMetrics) {
		seen := false
		a.outcomes.each(func(o outcome, n *atomic.Uint64) {
			seen = true
			counter(ch, descRequests, n.Load(), id, codeLabel(o.code, otherLabel), o.reason)
		})
		if !seen {
			return
		}
		for i, step := range steps {
			distribution(ch, descDuration, &a.steps[i], id, step)
		}
		for i, kind := range [...]string{"prompt", "completion"} {
			if n := a.tokens[i].Load(); n > 0 {
				counter(ch, descTokens, n, id, kind)
			}
		}
	})
	e.m.backends.each(func(t target, n *atomic.Uint64) {
		counter(ch, descBackend, n.Load(), t.name, codeLabel(t.code, "error"))
	})
	e.m.served.each(func(t target, n *atomic.Uint64) {
		counter(ch, descServed, n.Load(), t.name, codeLabel(t.code, "error"))
	})
	e.m.servedFor.each(func(name string, h *histogram) { distribution(ch, descServedFor, h, name) })
}

func (e exposition) configuration(ch chan<- prometheus.Metric) {
	gauge(ch, descGeneration, float64(e.m.generation.Load()))
	if at := e.m.lastSuccess.Load(); at != 0 {
		gauge(ch, descSuccess, float64(at)/float64(time.Second))
	}
	for i, result := range [...]string{"accepted", "rejected"} {
		counter(ch, descReload, e.m.reloads[i].Load(), result)
	}
	for i, severity := range [...]string{"error", "warning", "info"} {
		gauge(ch, descFindings, float64(e.m.findings[i].Load()), severity)
	}
}

func counter(ch chan<- prometheus.Metric, d *prometheus.Desc, v uint64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func distribution(ch chan<- prometheus.Metric, d *prometheus.Desc, h *histogram, labels ...string) {
	n, sum, buckets := h.snapshot()
	ch <- prometheus.MustNewConstHistogram(d, n, sum, buckets, labels...)
}
