package main

// What the program says, and where: for people on standard error, or as JSON.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"kcom5"
)

var hints = map[kcom5.Name]string{
	kcom5.ErrInvalidAddress:    "an address is PORT.HH.HH…: a port from 1 to 65535, then 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48 two-digit hexadecimal groups",
	kcom5.ErrInvalidKey:        "a key has 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48 octets; 48 is best",
	kcom5.ErrInvalidPort:       "a port is a number from 1 to 65535; for send, 0 lets the system choose",
	kcom5.ErrMessageNotUTF8:    "a message is UTF-8 text; send other octets as data",
	kcom5.ErrMessageTooLong:    "a message has at most 4294967295 octets; send more as data",
	kcom5.ErrInUse:             "another program listens there: choose another --port, or 0 to let the system choose",
	kcom5.ErrRefused:           "nobody listens there: start `kcom5 send` first, with the same --port, --ipv4 or --unix on both sides",
	kcom5.ErrTimeout:           "the other side was silent for too long: is it running? --timeout SECONDS waits longer, 0 for ever",
	kcom5.ErrIO:                "the system gave the reason above: look at the path, the permissions and the disk",
	kcom5.ErrInvalidConnection: "the program on the other side does not speak KCOM5, or belongs to another user",
	kcom5.ErrTruncated:         "the sender stopped before the end, and nothing was delivered: try again",
	kcom5.ErrMalformedMessage:  "the sender's message is not UTF-8: mend the sender",
	kcom5.ErrOverLimit:         "the sender declared more than this receiver takes: raise the limit or ask for less",
	kcom5.ErrUnconfirmed:       "the receiver did not take everything, or did not close in time: do not count on the delivery",
}

var exitOf = map[string]int{"usage": 2, "transport": 3, "protocol": 4}

// speaker says things. Its progress line is drawn on a terminal only.
type speaker struct {
	json       io.Writer // nil: for people, on standard error
	isTerminal bool
	started    time.Time // of the transfer
	drawn      time.Time // the progress, last; zero: not on the screen
}

func newSpeaker() *speaker {
	info, err := os.Stderr.Stat()
	return &speaker{isTerminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

func (s *speaker) say(words, json string) {
	s.clear()
	if s.json != nil {
		fmt.Fprintln(s.json, json)
	} else {
		fmt.Fprintln(os.Stderr, "kcom5: "+words)
	}
}

// fail says what went wrong, and gives the exit code.
func (s *speaker) fail(err error) int {
	var failed *kcom5.Error
	var use usage
	name, hint, code := "error", "", 1
	detail := err.Error()
	switch {
	case errors.As(err, &use):
		s.json = nil // it may be what is wrong
		name, hint, code = "usage", "`kcom5 --help` and `kcom5 COMMAND --help` tell more", 2
	case errors.As(err, &failed):
		name, detail = string(failed.Name), failed.Detail
		hint, code = hints[failed.Name], exitOf[failed.Name.Family()]
	}
	s.sayError(name+": "+printable(detail), `{"error":`+quote(name)+`,"detail":`+quote(detail)+`}`)
	if s.json == nil && hint != "" {
		fmt.Fprintln(os.Stderr, "kcom5: hint: "+hint)
	}
	return code
}

func (s *speaker) interrupted() {
	s.sayError("interrupted", `{"error":"interrupted","detail":"a signal ended it"}`)
}

func (s *speaker) sayError(words, json string) {
	label := "error:"
	if s.isTerminal && os.Getenv("NO_COLOR") == "" {
		label = "\x1b[31merror:\x1b[0m"
	}
	s.say(label+" "+words, json)
}

// progress draws percent, octets and rate, of a transfer that has lasted for a second.
func (s *speaker) progress(done, total uint64) {
	now := time.Now()
	if s.started.IsZero() {
		s.started = now
	}
	lasted := now.Sub(s.started)
	if !s.isTerminal || s.json != nil || lasted < time.Second || now.Sub(s.drawn) < 100*time.Millisecond || total == 0 {
		return
	}
	s.drawn = now
	rate := float64(done) / lasted.Seconds() / (1 << 20)
	fmt.Fprintf(os.Stderr, "\r%3.0f%%  %s of %s octets  %.1f MiB/s\x1b[K", 100*float64(done)/float64(total), grouped(done),
		grouped(total), rate)
}

func (s *speaker) clear() {
	if !s.drawn.IsZero() {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
		s.drawn = time.Time{}
	}
}

// grouped is a number with commas.
func grouped(number uint64) string {
	digits := fmt.Sprint(number)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// quote is text as a JSON string of which a terminal shows every character and obeys none.
func quote(text string) string {
	quoted := strings.Builder{}
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			quoted.WriteRune('\\')
			quoted.WriteRune(r)
		case unicode.IsPrint(r):
			quoted.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&quoted, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&quoted, `\u%04x`, r)
		}
	}
	return `"` + quoted.String() + `"`
}

// shortened is quote, of at most 200 characters and then a sign of more.
func shortened(text string) string {
	count := 0
	for at := range text {
		if count == 200 {
			return quote(text[:at]) + "…"
		}
		count++
	}
	return quote(text)
}

// printable replaces what a terminal would obey.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
