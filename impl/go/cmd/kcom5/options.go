package main

// The command line: its words, and the checks of each word by itself.

import (
	"context"
	"regexp"
	"strconv"
	"strings"
)

// option is a word that starts with "--", and "-o". One without a value is a flag.
type option struct{ name, value, help string }

type command struct {
	name, operand, summary string
	options                []option
	do                     func(context.Context, *program, arguments) error
}

const sourceHelp = "SOURCE: - is standard input, env:NAME an environment variable, anything else a file."

var (
	portOption    = option{"--port", "N", "the port (13600)"}
	ipv4Option    = option{"--ipv4", "", "127.0.0.1 instead of ::1"}
	unixOption    = option{"--unix", "PATH", "a Unix-domain socket instead"}
	addressOption = option{"--address", "SOURCE", "take the port from an address"}
	timeoutOption = option{"--timeout", "SECONDS", "wait no longer than this (150; 0 or less: for ever)"}
	quietOption   = option{"--quiet", "", "say errors only"}
	jsonOption    = option{"--json", "", "say it in JSON, one object a line"}
	helpOption    = option{"--help", "", "show this (-h)"}
)

// commands are set when the program starts: their functions need this table, too.
var commands []command

func init() {
	commands = []command{
		{"send", "[FILE|-]", "send a file, or standard input, to the first receiver that connects", []option{
			{"--port", "N", "listen on this port (13600; 0: the system chooses)"}, ipv4Option, unixOption, addressOption,
			timeoutOption,
			{"--message", "TEXT", "send this message too"},
			{"--message-file", "FILE|-", "send the message in this file"},
			{"--spool-dir", "DIR", "folder for temporary files (TMPDIR, else /tmp)"},
			quietOption, jsonOption, helpOption}, send},
		{"receive", "", "receive from a sender, into a file or standard output", []option{
			{"--output", "FILE|-", "store the data here (-o; -: standard output, the default)"},
			portOption, ipv4Option, unixOption, addressOption, timeoutOption,
			{"--message-file", "FILE|-", "store the message here"},
			{"--wait", "SECONDS", "keep trying while nobody listens (2; 0: fail at once)"},
			{"--max-message", "BYTES", "take no longer message (16777216)"},
			{"--max-data", "BYTES", "take no more data (no limit)"},
			{"--no-clobber", "", "do not replace a file"},
			quietOption, jsonOption, helpOption}, receive},
		{"pack", "", "print the address of a port and a key", []option{portOption,
			{"--key", "SOURCE", "the key in hexadecimal digits; white space is ignored (-)"},
			jsonOption, helpOption}, pack},
		{"unpack", "[SOURCE]", "print the port and the key of an address", []option{jsonOption, helpOption}, unpack},
	}
}

// arguments is a parsed command line: the values by the options' names, and the operand, if any.
type arguments struct {
	command
	values  map[string]string
	operand string
}

func (a arguments) has(name string) bool { _, found := a.values[name]; return found }

func (a arguments) get(name, otherwise string) string {
	if value, found := a.values[name]; found {
		return value
	}
	return otherwise
}

// usage is an error of the command line itself.
type usage string

func (u usage) Error() string { return string(u) }

func findCommand(name string) (command, error) {
	for _, command := range commands {
		if command.name == name {
			return command, nil
		}
	}
	return command{}, usage("expected send, receive, pack or unpack")
}

func (c command) find(name string) (option, bool) {
	for _, option := range c.options {
		if option.name == name {
			return option, true
		}
	}
	return option{}, false
}

// parse splits the words, and checks each value.
func parse(command command, words []string) (arguments, error) {
	a := arguments{command: command, values: map[string]string{}}
	var operands []string
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if word == "--" {
			operands = append(operands, words...)
			break
		}
		if word == "-" || !strings.HasPrefix(word, "-") {
			operands = append(operands, word)
			continue
		}
		var err error
		if words, err = a.take(word, words); err != nil {
			return a, err
		}
	}
	most := 0
	if command.operand != "" {
		most = 1
	}
	if len(operands) > most {
		return a, usage("got " + strconv.Itoa(len(operands)) + " operands, expected at most " + strconv.Itoa(most))
	}
	if len(operands) == 1 {
		if a.operand = operands[0]; a.operand == "" {
			return a, usage("the operand is empty")
		}
	}
	return a, a.check()
}

// negative matches a value that begins with "-" and is still accepted.
var negative = regexp.MustCompile(`^-[0-9]+$`)

// take parses one option, with its value from the words that follow.
func (a arguments) take(word string, words []string) ([]string, error) {
	name, value, hasValue := strings.Cut(word, "=")
	switch {
	case strings.HasPrefix(word, "-o"):
		name, value, hasValue = "--output", strings.TrimPrefix(word[2:], "="), len(word) > 2
	case name == "-h":
		name = "--help"
	}
	option, found := a.find(name)
	switch {
	case !found:
		return nil, usage("there is no such option of " + a.command.name)
	case a.has(name):
		return nil, usage(name + " is given twice")
	case option.value == "" && hasValue:
		return nil, usage(name + " takes no value")
	case option.value != "" && !hasValue:
		if len(words) == 0 {
			return nil, usage(name + " needs a value: " + option.value)
		}
		value, words = words[0], words[1:]
		if strings.HasPrefix(value, "-") && value != "-" && !negative.MatchString(value) {
			return nil, usage(name + " needs a value: one that begins with - is joined by =")
		}
	}
	if option.value != "" && value == "" && name != "--message" {
		return nil, usage(name + " has an empty value")
	}
	a.values[name] = value
	return words, nil
}

func help() string {
	text := "usage: kcom5 [--version] [--help] COMMAND\n\n" +
		"Hands a message and a block of data to another program on this computer, once.\n\n"
	for _, command := range commands {
		text += "  " + pad(command.name, 10) + command.summary + "\n"
	}
	return text + "\n  " + pad("--version", 10) + "show the version\n  " + pad("--help", 10) +
		"show this; `kcom5 COMMAND --help` tells more\n\n" + exitCodes
}

const exitCodes = "Exit codes: 0 success, 2 wrong use, 3 transport, 4 protocol, 1 anything else, 128 + N signal N.\n"

func (c command) help() string {
	text := "usage: kcom5 " + c.name + " [OPTIONS]"
	if c.operand != "" {
		text += " " + c.operand
	}
	text += "\n\n" + strings.ToUpper(c.summary[:1]) + c.summary[1:] + ".\n\n"
	for _, option := range c.options {
		text += "  " + pad(option.name+" "+option.value, 22) + option.help + "\n"
	}
	return text + "\n" + sourceHelp + "\n" + exitCodes
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", width-len(text))
}
