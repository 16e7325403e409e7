package kcom5

// The mapping of failures to the spec's names and events, and to texts for people. Not here: the texts of package core.
// Spec: "Results and errors".

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"kcom5/core"
)

// The system's error numbers that have a name in the spec; the file of a system adds its own.
var (
	inUse   = []syscall.Errno{syscall.EADDRINUSE}
	refused = []syscall.Errno{syscall.ECONNREFUSED}
	resets  = []syscall.Errno{syscall.ECONNRESET, syscall.EPIPE, syscall.ENOTCONN, syscall.ECONNABORTED}
)

func isOneOf(err error, numbers []syscall.Errno) bool {
	for _, number := range numbers {
		if errors.Is(err, number) {
			return true
		}
	}
	return false
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// exchange is either end's state machine.
type exchange interface {
	On(core.Event) core.Action
	State() core.State
	Err() error
}

// eventOf returns the event of the spec's tables for a system error.
func eventOf(err error) core.Event {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return core.Cancel
	case errors.Is(err, io.EOF):
		return core.End
	case isOneOf(err, resets):
		return core.Reset
	case isOneOf(err, refused):
		return core.Refused
	case errors.Is(err, os.ErrDeadlineExceeded):
		return core.Timeout
	}
	return core.Failure
}

// failure reports an error to the exchange, and returns its outcome. A plain system error is prefixed with place.
func failure(x exchange, place string, err error) error {
	event := eventOf(err)
	x.On(event)
	var failed *Error
	if !errors.As(x.Err(), &failed) {
		return outcome(x)
	}
	if failed.Name == ErrIO && event == core.Failure {
		var told *Error // the error already has its name
		if errors.As(err, &told) {
			return told
		}
		failed.Detail = place + ": " + systemText(err)
	}
	failed.Cause = err
	return failed
}

// outcome returns nil exactly if the exchange is done (`result.success`).
func outcome(x exchange) error {
	switch {
	case x.State() == core.Done:
		return nil
	case x.Err() != nil:
		return x.Err()
	}
	return &Error{Name: ErrIO, Detail: "internal error: the exchange ended in the state " + string(x.State()), State: x.State()}
}

// systemText returns the system's text, without the prefixes of packages os and net.
func systemText(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number.Error()
	}
	return err.Error()
}

// ioError returns a system error with its place or file. An error that already has one is unchanged.
func ioError(place string, cause error) error {
	var failed *Error
	switch {
	case errors.As(cause, &failed):
		return failed
	case eventOf(cause) == core.Cancel:
		return &Error{Name: ErrIO, Detail: "cancelled by the caller", Cause: cause}
	}
	return &Error{Name: ErrIO, Detail: place + ": " + systemText(cause), Cause: cause}
}

// timeoutError returns the error of a wait outside of an exchange.
func timeoutError(detail string) error {
	return &Error{Name: ErrTimeout, Detail: detail, Cause: os.ErrDeadlineExceeded}
}
