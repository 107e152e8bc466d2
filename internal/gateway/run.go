package gateway

import (
	"time"

	"sallyport/internal/exchange"
	"sallyport/internal/plan"
	"sallyport/internal/policy"
	"sallyport/internal/telemetry"
)

// run executes the steps of one section.
func (c *call) run(s exchange.Section) policy.Outcome {
	c.Section = s
	steps := &c.line.Sections[s]
	if c.Trace != nil {
		return c.runTraced(s, steps)
	}
	for i, step := range steps.Steps {
		if out := step.Run(c.Exchange); out != policy.Continue {
			return c.stopped(out, s, &steps.Infos[i])
		}
	}
	return policy.Continue
}

// stopped fills in where a failing step stands.
func (c *call) stopped(out policy.Outcome, s exchange.Section, info *plan.StepInfo) policy.Outcome {
	if out == policy.Fail && c.Failure != nil && c.Failure.Section == "" {
		f := c.Failure
		f.Section, f.Scope, f.Path, f.PolicyID = s.String(), info.Scope.String(), info.Path, info.PolicyID
	}
	return out
}

// runTraced is run for traced requests: it times every step and asks it what
// it did. The plain loop carries no trace of this.
func (c *call) runTraced(s exchange.Section, steps *plan.Steps) policy.Outcome {
	for i, step := range steps.Steps {
		info := &steps.Infos[i]
		start := time.Now()
		out := step.Run(c.Exchange)
		took := time.Since(start)
		if info.Name == "forward-request" {
			if out != policy.Continue {
				return c.stopped(out, s, info)
			}
			continue // the forwarder writes its own two entries
		}
		var data any
		if e, ok := step.(policy.Explainer); ok {
			data = e.Explain(c.Exchange)
		}
		if out == policy.Fail && c.Failure != nil {
			c.stopped(out, s, info)
			data = map[string]any{"message": c.Failure.Message, "reason": c.Failure.Reason}
		}
		c.Trace.Add(s.TraceName(), telemetry.Entry{Source: info.Name, Took: max(took, 1), At: info.Pos.String(), Data: data})
		if out != policy.Continue {
			return out
		}
	}
	return policy.Continue
}
