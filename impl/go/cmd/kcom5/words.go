package main

// What the program says, and where: for people on standard error, or as JSON.

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"kcom5"
	"kcom5/internal/wholefile"
)

var hints = map[kcom5.Name]string{
	kcom5.ErrInvalidAddress:    "an address is PORT.HH.HH…: a port from 1 to 65535, then 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48 two-digit hexadecimal groups",
	kcom5.ErrInvalidKey:        "a key has 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48 bytes; 48 is best",
	kcom5.ErrInvalidPort:       "a port is a number from 1 to 65535; for send, 0 lets the system choose",
	kcom5.ErrMessageNotUTF8:    "a message is UTF-8 text; send other bytes as data",
	kcom5.ErrMessageTooLong:    "a message has at most 4294967295 bytes; send more as data",
	kcom5.ErrInUse:             "another program listens there: choose another --port, or 0 to let the system choose",
	kcom5.ErrRefused:           "nobody listens there: start `kcom5 send` first, with the same --port, --ipv4 or --unix on both sides",
	kcom5.ErrTimeout:           "the other side was silent for too long: is it running? --timeout SECONDS waits longer, 0 for ever",
	kcom5.ErrIO:                "look at the path, the permissions and the disk",
	kcom5.ErrInvalidConnection: "the program on the other side does not speak KCOM5, or belongs to another user",
	kcom5.ErrTruncated:         "the sender stopped before the end, and nothing was delivered: try again",
	kcom5.ErrMalformedMessage:  "the sender's message is not UTF-8: mend the sender",
	kcom5.ErrOverLimit:         "--max-message BYTES and --max-data BYTES raise the limits",
	kcom5.ErrUnconfirmed:       "the receiver did not take everything, or did not close in time: do not count on the delivery",
}

const (
	usageHint   = "`kcom5 --help` and `kcom5 COMMAND --help` tell more"
	cutHint     = "the sender stopped before the end: what was written is not the whole"
	noIPv6Hint  = "this system has no IPv6 loopback address: use --ipv4 on both sides"
	spoolHint   = "--spool-dir DIR names another folder for temporary files"
	clobberHint = "leave out --no-clobber to replace it"
)

// hintOf says what to do about a failure.
func (s *speaker) hintOf(failed *kcom5.Error) string {
	var spool *wholefile.SpoolError
	var partial *wholefile.Partial
	var file *wholefile.Error
	switch {
	case failed.Name == kcom5.ErrTruncated && errors.As(failed, &partial):
		return cutHint
	case failed.Name != kcom5.ErrIO:
	case errors.As(failed, &spool):
		return spoolHint
	case errors.As(failed, &file) && file.Exists:
		return clobberHint
	case s.isIPv6 && (errors.Is(failed, syscall.EADDRNOTAVAIL) || errors.Is(failed, syscall.EAFNOSUPPORT)):
		return noIPv6Hint
	}
	return hints[failed.Name]
}

var exitOf = map[string]int{"usage": 2, "transport": 3, "protocol": 4}

// speaker says things. Its progress line is drawn on a terminal only.
type speaker struct {
	json       *os.File // nil: for people, on standard error
	isQuiet    bool
	isIPv6     bool // the place is one
	isTerminal bool
	started    time.Time // of the transfer
	drawn      time.Time // the progress, last; zero: not on the screen
}

func newSpeaker() *speaker {
	info, err := os.Stderr.Stat()
	return &speaker{isTerminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// say says a status. A line for people that cannot be written changes nothing.
func (s *speaker) say(words, json string) error {
	if s.json != nil {
		return s.printTo(s.json, json)
	}
	if !s.isQuiet {
		s.tell(words)
	}
	return nil
}

// tell says something to people, also to those who asked for quiet.
func (s *speaker) tell(words string) {
	s.clear()
	fmt.Fprintln(os.Stderr, "kcom5: "+words)
}

// warn says what is not as it should be.
func (s *speaker) warn(words string) {
	if !s.isQuiet {
		s.tell("warning: " + words)
	}
}

// printTo prints a line that must not be lost.
func (s *speaker) printTo(file *os.File, line string) error {
	if file == os.Stdout {
		if err := needOutput(); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintln(file, line); err != nil {
		name := map[*os.File]string{os.Stdout: "standard output", os.Stderr: "standard error"}[file]
		return systemError(name, err)
	}
	return nil
}

// fail says what went wrong, and gives the exit code.
func (s *speaker) fail(err error) int {
	var failed *kcom5.Error
	var use usage
	name, hint, code, detail := "error", "", 1, err.Error()
	switch {
	case errors.As(err, &use):
		s.json = nil // it may be what is wrong
		name, hint, code = "usage", usageHint, 2
	case errors.As(err, &failed):
		name, detail = string(failed.Name), failed.Detail
		hint, code = s.hintOf(failed), exitOf[failed.Name.Family()]
	}
	s.sayError(name, detail)
	if s.json == nil && hint != "" {
		fmt.Fprintln(os.Stderr, "kcom5: hint: "+hint)
	}
	return code
}

// sayError says it to people if it cannot be said as JSON.
func (s *speaker) sayError(name, detail string) {
	if s.json != nil {
		if s.printTo(s.json, `{"error":`+quoteASCII(name)+`,"detail":`+quoteASCII(detail)+`}`) == nil {
			return
		}
		s.json = nil
	}
	label := "error:"
	if s.isTerminal && os.Getenv("NO_COLOR") == "" {
		label = "\x1b[31merror:\x1b[0m"
	}
	s.tell(label + " " + name + ": " + visible(detail))
}

// progress draws percent, bytes and rate, of a transfer that has lasted for a second.
func (s *speaker) progress(done, total uint64) {
	now := time.Now()
	if s.started.IsZero() {
		s.started = now
	}
	lasted := now.Sub(s.started)
	if !s.isTerminal || s.isQuiet || s.json != nil || lasted < time.Second || now.Sub(s.drawn) < 100*time.Millisecond ||
		total == 0 {
		return
	}
	s.drawn = now
	rate := float64(done) / lasted.Seconds() / (1 << 20)
	fmt.Fprintf(os.Stderr, "\r%3.0f%%  %s of %s bytes  %.1f MiB/s\x1b[K", 100*float64(done)/float64(total), grouped(done),
		grouped(total), rate)
}

func (s *speaker) clear() {
	if !s.drawn.IsZero() {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
		s.drawn = time.Time{}
	}
}
