package kcom5

// Bounds in time: one absolute, monotonic end for each wait, or none. Not here: which wait has which bound.
// Spec: "Time".

import (
	"strconv"
	"time"
)

// bound returns the limit that the field Timeout stands for; zero in the result is no limit (`time.never`).
func bound(timeout time.Duration) time.Duration {
	switch {
	case timeout == 0:
		return DefaultTimeout
	case timeout < 0:
		return 0
	}
	return timeout
}

// inSeconds returns a bound as text.
func inSeconds(bound time.Duration) string {
	return strconv.FormatFloat(bound.Seconds(), 'f', -1, 64) + " s"
}

// deadline returns the end of a wait that starts now; the zero time is none. time.Time carries the monotonic clock.
func deadline(timeout time.Duration) time.Time {
	if timeout == 0 {
		return time.Time{}
	}
	return time.Now().Add(timeout)
}

// hasPassed reports whether the end of a wait has passed (`time.bounds`).
func hasPassed(end time.Time) bool { return !end.IsZero() && !time.Now().Before(end) }

// slice returns an end that is near and not later than this one, for waits that must check other things in between.
func slice(end time.Time) time.Time {
	near := time.Now().Add(250 * time.Millisecond)
	if !end.IsZero() && end.Before(near) {
		return end
	}
	return near
}
