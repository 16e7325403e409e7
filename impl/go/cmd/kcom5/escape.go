package main

// Escaping of foreign text: nothing in it controls a terminal, hides, or reverses the rest of the line.

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// isVisible reports whether a character is shown as it is.
func isVisible(r rune) bool {
	switch r {
	case 0x115f, 0x1160, 0x3164, 0xffa0, 0x034f:
		return false
	}
	return unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Zs) &&
		!unicode.Is(unicode.Variation_Selector, r)
}

// visible returns text for people: bytes that are not UTF-8 and controls are \xHH, other invisible characters \u{HEX}.
func visible(text string) string {
	return escaped(text, func(to *strings.Builder, r rune, octet byte, isText bool) {
		switch {
		case !isText:
			fmt.Fprintf(to, `\x%02x`, octet)
		case isVisible(r):
			to.WriteRune(r)
		case r < 0xa0:
			fmt.Fprintf(to, `\x%02x`, r)
		default:
			fmt.Fprintf(to, `\u{%x}`, r)
		}
	})
}

// quote returns text for people in quotation marks.
func quote(text string) string {
	return `"` + visible(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)) + `"`
}

// quoteASCII returns a JSON string of ASCII.
func quoteASCII(text string) string {
	return `"` + escaped(text, func(to *strings.Builder, r rune, octet byte, isText bool) {
		switch {
		case !isText:
			fmt.Fprintf(to, `\\x%02x`, octet)
		case r == '"' || r == '\\':
			to.WriteByte('\\')
			to.WriteRune(r)
		case r >= ' ' && r < 0x7f:
			to.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(to, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(to, `\u%04x`, r)
		}
	}) + `"`
}

func escaped(text string, write func(to *strings.Builder, r rune, octet byte, isText bool)) string {
	var to strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		write(&to, r, text[0], r != utf8.RuneError || size > 1)
		text = text[size:]
	}
	return to.String()
}

// shortened returns quote of at most 200 characters, with a mark if there were more.
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

// grouped returns a number with commas.
func grouped(number uint64) string {
	digits := fmt.Sprint(number)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
