package main

// Checks of a command line as a whole, before anything is opened, and its numbers.

import (
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"kcom5"
)

// usesInput returns how many options read standard input.
func (a arguments) usesInput() (times int) {
	if a.command.name == "send" && (a.operand == "" || a.operand == "-") {
		times++
	}
	for _, name := range []string{"--address", "--message-file"} {
		if a.get(name, "") == "-" && (name == "--address" || a.command.name == "send") {
			times++
		}
	}
	return times
}

// usesOutput reports whether data or message goes to standard output.
func (a arguments) usesOutput() bool {
	return a.command.name == "receive" && (isOutput(a.get("--output", "-")) || isOutput(a.get("--message-file", "")))
}

func isOutput(name string) bool {
	switch name {
	case "-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1":
		return true
	}
	return false
}

var exclusive = [][2]string{{"--unix", "--port"}, {"--unix", "--ipv4"}, {"--unix", "--address"}, {"--address", "--port"},
	{"--message", "--message-file"}}

func (a arguments) check() error {
	if a.has("--help") {
		return nil
	}
	for _, pair := range exclusive {
		if a.has(pair[0]) && a.has(pair[1]) {
			return usage(pair[0] + " and " + pair[1] + " exclude each other")
		}
	}
	if a.usesInput() > 1 {
		return usage("only one of data, --address and --message-file can come from standard input")
	}
	if a.command.name == "receive" {
		output, message := a.get("--output", "-"), a.get("--message-file", "")
		if message != "" && isSameFile(output, message) {
			return usage("the data and the message cannot go to the same file")
		}
		if a.has("--no-clobber") && isOutput(output) && (message == "" || isOutput(message)) {
			return usage("--no-clobber needs a file: -o FILE or --message-file FILE")
		}
	}
	for name, bounds := range numbers {
		if number, err := a.number(name); err != nil {
			return err
		} else if number != nil && bounds.low != nil && (number.Cmp(bounds.low) < 0 || number.Cmp(bounds.high) > 0) {
			return usage(name + " is out of range: " + bounds.low.String() + " to " + bounds.high.String())
		}
	}
	return nil
}

type bounds struct{ low, high *big.Int }

// numbers are the options that take one. A port has its own error.
var numbers = map[string]bounds{
	"--port":        {},
	"--timeout":     {big.NewInt(-1 << 31), big.NewInt(1<<31 - 1)},
	"--wait":        {big.NewInt(0), big.NewInt(1<<31 - 1)},
	"--max-message": {big.NewInt(0), new(big.Int).SetUint64(1<<64 - 1)},
	"--max-data":    {big.NewInt(0), new(big.Int).SetUint64(1<<64 - 1)},
}

var integer = regexp.MustCompile(`^-?[0-9]+$`)

// number returns an integer of ASCII digits, of any length; nil if it is not given. An error does not repeat the value,
// which may be a key.
func (a arguments) number(name string) (*big.Int, error) {
	text, found := a.values[name]
	if !found {
		return nil, nil
	}
	if !integer.MatchString(text) {
		return nil, usage(name + " takes an integer")
	}
	number, _ := new(big.Int).SetString(text, 10)
	return number, nil
}

// set puts a number that is in its range into a field.
func (a arguments) set(name string, field *int) {
	if number, _ := a.number(name); number != nil {
		*field = int(number.Int64())
	}
}

func (a arguments) setLimit(name string, field *uint64) {
	if number, _ := a.number(name); number != nil {
		*field = number.Uint64()
	}
}

// setPort checks the port, which is at least least, and stores it.
func (a arguments) setPort(least int, field *int) error {
	number, _ := a.number("--port")
	if number == nil {
		return nil
	}
	if !number.IsInt64() || number.Int64() < int64(least) || number.Int64() > 65535 {
		return &kcom5.Error{Name: kcom5.ErrInvalidPort, Detail: "got port " + number.String() + ", expected " +
			strconv.Itoa(least) + " to 65535"}
	}
	*field = int(number.Int64())
	return nil
}

// isSameFile reports whether two names lead to one file, which need not exist.
func isSameFile(one, other string) bool {
	if isOutput(one) {
		one = "/dev/stdout"
	}
	if isOutput(other) {
		other = "/dev/stdout"
	}
	if one == other {
		return true
	}
	oneInfo, oneErr := os.Stat(one)
	otherInfo, otherErr := os.Stat(other)
	if oneErr == nil && otherErr == nil {
		return os.SameFile(oneInfo, otherInfo)
	}
	return oneErr != nil && otherErr != nil && resolved(one) == resolved(other)
}

// resolved returns the path of a file that does not exist, links followed.
func resolved(name string) string {
	for range [40]struct{}{} {
		link, err := os.Readlink(name)
		if err != nil {
			break
		}
		if !filepath.IsAbs(link) {
			link = filepath.Dir(name) + string(filepath.Separator) + link
		}
		name = link
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(name))
	if err == nil {
		folder, err = filepath.Abs(folder)
	}
	if err != nil {
		return name
	}
	return filepath.Join(folder, filepath.Base(name))
}

func count(number uint64) string { return strconv.FormatUint(number, 10) }
