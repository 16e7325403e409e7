package main

// The commands pack and unpack, and the reading of keys, addresses and messages.

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"kcom5"
)

func pack(_ context.Context, p *program, a arguments) error {
	port := kcom5.DefaultPort
	if err := a.setPort(1, &port); err != nil {
		return err
	}
	digits, err := p.readSource(a.get("--key", "-"))
	if err != nil {
		return err
	}
	defer wipe(digits)
	digits = withoutWhiteSpace(digits)
	key := make([]byte, hex.DecodedLen(len(digits)))
	defer wipe(key)
	if _, err := hex.Decode(key, digits); err != nil {
		return &kcom5.Error{Name: kcom5.ErrInvalidKey,
			Detail: "got " + fmt.Sprint(len(digits)) + " characters, expected pairs of hexadecimal digits"}
	}
	address, err := kcom5.Pack(port, key)
	if err != nil {
		return err
	}
	if a.has("--json") {
		address = `{"address":` + quoteASCII(address) + `}`
	}
	return p.printTo(os.Stdout, address)
}

// withoutWhiteSpace works in place: no copy of the key is left.
func withoutWhiteSpace(text []byte) []byte {
	kept := text[:0]
	for _, octet := range text {
		if !strings.ContainsRune(" \t\r\n\v\f", rune(octet)) {
			kept = append(kept, octet)
		}
	}
	return kept
}

func unpack(_ context.Context, p *program, a arguments) error {
	source := a.operand
	if source == "" {
		source = "-"
	}
	address, err := p.readSource(source)
	if err != nil {
		return err
	}
	defer wipe(address)
	port, key, err := kcom5.Unpack(string(address))
	if err != nil {
		return err
	}
	defer wipe(key)
	if a.has("--json") {
		return p.printTo(os.Stdout, fmt.Sprintf(`{"port":%d,"key":"%x"}`, port, key))
	}
	return p.printTo(os.Stdout, fmt.Sprintf("port %d\nkey %x", port, key))
}

// wipe overwrites memory that held a key.
func wipe(octets []byte) {
	for i := range octets {
		octets[i] = 0
	}
}

// readSource returns the content of a SOURCE without one line end. The content is always short.
func (p *program) readSource(source string) ([]byte, error) {
	hideMemory()
	text, err := p.readAll(source)
	if err != nil {
		return nil, err
	}
	for _, end := range []byte{'\n', '\r'} {
		if size := len(text); size > 0 && text[size-1] == end {
			text = text[:size-1]
		}
	}
	return text, nil
}

func (p *program) readAll(source string) ([]byte, error) {
	const most = 1 << 16
	if name := strings.TrimPrefix(source, "env:"); name != source {
		value, found := os.LookupEnv(name)
		if !found {
			return nil, guarded(name, &kcom5.Error{Name: kcom5.ErrIO, Cause: fs.ErrNotExist,
				Detail: "there is no environment variable " + name})
		}
		return []byte(value), nil
	}
	file, err := openSource(source)
	if err != nil {
		return nil, err
	}
	if source != "-" {
		defer file.Close()
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o044 != 0 {
			p.warn(visible(source) + " can be read by other users: chmod 600 " + visible(source))
		}
	} else {
		source = "standard input"
	}
	text := make([]byte, most) // no copies of a key are left by a buffer that grows
	size, err := io.ReadFull(file, text)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, systemError(source, err)
	}
	return text[:size], nil
}

func openSource(source string) (*os.File, error) {
	if source == "-" {
		return os.Stdin, needInput()
	}
	file, err := os.Open(source)
	if err != nil {
		return nil, guarded(source, systemError(source, err))
	}
	return file, nil
}

// guarded hides the name of a missing file or variable that may be a key or an address in the wrong place.
func guarded(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) && strings.Trim(name, "0123456789abcdefABCDEF.: ") == "" {
		return &kcom5.Error{Name: kcom5.ErrIO, Cause: err, Detail: "there is no such file; an address or a key is not given on " +
			"the command line, but in a file, as env:NAME or on standard input"}
	}
	return err
}

func readMessage(name string) (string, error) {
	file, shown := os.Stdin, "standard input"
	if name == "-" {
		if err := needInput(); err != nil {
			return "", err
		}
	} else {
		var err error
		if file, err = os.Open(name); err != nil {
			return "", guarded(name, systemError(name, err))
		}
		defer file.Close()
		shown = name
	}
	if info, err := file.Stat(); err == nil && info.Size() > kcom5.MaxMessage {
		return "", &kcom5.Error{Name: kcom5.ErrMessageTooLong,
			Detail: fmt.Sprintf("got a message of %d bytes, expected at most 4294967295", info.Size())}
	}
	text, err := io.ReadAll(io.LimitReader(file, kcom5.MaxMessage+1))
	if err != nil {
		return "", systemError(shown, err)
	}
	return string(text), nil
}
