package core

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// specTable reads a table of states from the spec: state, event and the text of the cell.
func specTable(t *testing.T, role string) (states, events []string, cells map[[2]string]string) {
	text, err := os.ReadFile(repository + "spec/kcom5.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "<!-- states: "+role+" -->\n")
	if !found {
		t.Fatalf("the spec has no table of states of the %s", role)
	}
	body, _, _ := strings.Cut(after, "\n\n")
	cells = map[[2]string]string{}
	for number, line := range strings.Split(body, "\n") {
		columns := strings.Split(strings.Trim(line, "| "), " | ")
		switch number {
		case 0:
			events = columns[1:]
		case 1:
		default:
			states = append(states, columns[0])
			for i, column := range columns[1:] {
				cells[[2]string{columns[0], events[i]}] = column
			}
		}
	}
	return states, events, cells
}

// String writes a cell as the spec does.
func (c cell) String() string {
	switch {
	case c.fail != "":
		return "`" + string(c.fail) + "`"
	case c.next == "":
		return "–"
	case c.do == Nothing:
		return string(c.next)
	case c.do == Deliver: // Delivered goes on
		return "deliver; done"
	}
	return string(c.do) + "; " + string(c.next)
}

func TestTheTablesOfStatesAreThoseOfTheSpec(t *testing.T) {
	for role, table := range map[string]table{"server": serverTable, "client": clientTable} {
		states, events, cells := specTable(t, role)
		if len(states) != len(table)+2 || len(cells) != len(states)*len(events) { // done and failed have no cells
			t.Errorf("%s: %d states and %d cells in the spec, %d states here", role, len(states), len(cells), len(table))
		}
		count := 0
		for _, state := range states {
			for _, event := range events {
				got := table.at(State(state), Event(event))
				if expected := cells[[2]string{state, event}]; got.String() != expected {
					t.Errorf("%s: %s, %s: got %q, expected %q", role, state, event, got, expected)
				}
				if got.next != "" {
					count++
				}
			}
		}
		for _, row := range table {
			count -= len(row)
		}
		if count != 0 {
			t.Errorf("%s: cells that the spec does not have", role)
		}
	}
}

func TestAnErrorOfTheTableIsReachedFromEachOfItsStates(t *testing.T) {
	for role, table := range map[string]table{"server": serverTable, "client": clientTable} {
		for state, row := range table {
			for _, cell := range row {
				m := machine{table: table, state: state}
				if cell.on == whole || cell.on == wrong || cell.on == over {
					if m.On(cell.on) != Nothing || m.State() != state {
						t.Errorf("%s: %s is taken from a caller", role, cell.on)
					}
				}
				action := m.take(cell.on)
				if action != cell.do || m.State() != cell.next || (m.Err() != nil) != (cell.fail != "") {
					t.Errorf("%s: %s, %s: %q, %s, %v", role, state, cell.on, action, m.State(), m.Err())
				}
			}
		}
	}
}

func TestTheNamesAndFamiliesOfErrorsAreThoseOfTheSpec(t *testing.T) {
	text, err := os.ReadFile(repository + "spec/kcom5.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "<!-- errors -->\n")
	rows := regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| ([a-z]+) \\|").FindAllStringSubmatch(after, -1)
	source, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	here := regexp.MustCompile(`Name = "([a-z0-9-]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(rows) != 14 || len(here) != len(rows) {
		t.Fatalf("%d errors in the spec, %d here", len(rows), len(here))
	}
	for i, row := range rows {
		if here[i][1] != row[1] || Name(row[1]).Family() != row[2] {
			t.Errorf("got %s of %s, expected %s of %s", here[i][1], Name(here[i][1]).Family(), row[1], row[2])
		}
	}
}

func TestTheCoreDependsOnNoSocketsFilesOrClock(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(out)) {
		switch name {
		case "net", "os", "time", "syscall", "fmt", "context", "kcom5":
			t.Errorf("the core depends on %s", name)
		}
	}
	if !strings.Contains(string(out), "kcom5/core") {
		t.Error("the list of dependencies is not one")
	}
}

func TestAnArrowBetweenPackagesNeverPointsUp(t *testing.T) {
	allowed := map[string]string{"kcom5/core": "", "kcom5/internal/leftover": "",
		"kcom5/internal/wholefile": " kcom5/internal/leftover ", "kcom5/adapter": " kcom5 kcom5/compat ", "kcom5/compat": " kcom5 ",
		"kcom5": " kcom5/core kcom5/internal/wholefile kcom5/internal/leftover ", "kcom5/cmd/kcom5": " kcom5 kcom5/compat kcom5/internal/wholefile kcom5/internal/leftover "}
	for from, to := range allowed {
		out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, from).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields(string(out)) {
			if strings.HasPrefix(name, "kcom5") && !strings.Contains(to, " "+name+" ") || strings.Contains(strings.Split(name, "/")[0], ".") {
				t.Errorf("%s imports %s", from, name)
			}
		}
	}
}
