package core

// Pack and Unpack: a port and a key in one string. Not here: the use of the key, which is the application's.
// Spec: "Address".

import "strconv"

const (
	keySize      = 48
	hexDigits    = "0123456789abcdef"
	portExpected = "the port: expected a number from 1 to 65535, got "
	keySizes     = "1, 2, 3, 4, 6, 8, 12, 16, 24 or 48"
)

// Pack gives the address of a port from 1 to 65535 and a key of 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48 octets
// (`address.form`, `address.canonical`). Errors: ErrInvalidPort, then ErrInvalidKey (`address.pack-reject`).
func Pack(port int, key []byte) (string, error) {
	if err := CheckPort(port, 1); err != nil {
		return "", err
	}
	if !dividesKey(len(key)) {
		return "", &Error{Name: ErrInvalidKey, Detail: "expected " + keySizes + " octets, got " + strconv.Itoa(len(key))}
	}
	address := strconv.AppendInt(make([]byte, 0, 5+3*keySize), int64(port), 10)
	for _, octet := range key {
		address = append(address, '.', hexDigits[octet>>4], hexDigits[octet&15])
	}
	return string(address), nil
}

// Unpack gives the port and the 48 octets of key that the groups, repeated, come to (`address.expand`). Any other
// string is ErrInvalidAddress (`address.reject`); the error does not show the text, which may hold a key.
func Unpack(address string) (port int, key []byte, err error) {
	digits := 0
	for digits < len(address) && address[digits] >= '0' && address[digits] <= '9' && digits < 6 {
		port = 10*port + int(address[digits]-'0')
		digits++
	}
	groups, odd := (len(address)-digits)/3, (len(address)-digits)%3
	switch {
	case digits == 0:
		return 0, nil, notAnAddress(portExpected + "no digit")
	case address[0] == '0':
		return 0, nil, notAnAddress(portExpected + "a leading zero")
	case port > 65535:
		return 0, nil, notAnAddress(portExpected + "more")
	case odd != 0 || !dividesKey(groups):
		return 0, nil, notAnAddress("the key: expected " + keySizes + " groups of 3 characters, got " +
			strconv.Itoa(len(address)-digits) + " characters")
	}
	key = make([]byte, 0, keySize)
	for at := digits; at < len(address); at += 3 {
		high, low := hexValue(address[at+1]), hexValue(address[at+2])
		if address[at] != '.' || high > 15 || low > 15 {
			return 0, nil, notAnAddress("group " + strconv.Itoa(len(key)+1) + " of " + strconv.Itoa(groups) +
				" of the key: expected a dot and two hexadecimal digits, got something else")
		}
		key = append(key, high<<4|low)
	}
	for len(key) < keySize {
		key = append(key, key[len(key)-groups])
	}
	return port, key, nil
}

// CheckPort is ErrInvalidPort unless least <= port <= 65535 (`listen.port`).
func CheckPort(port, least int) error {
	if port < least || port > 65535 {
		return &Error{Name: ErrInvalidPort, Detail: "expected " + strconv.Itoa(least) + " to 65535, got " + strconv.Itoa(port)}
	}
	return nil
}

func dividesKey(size int) bool { return size > 0 && keySize%size == 0 }

func notAnAddress(why string) error { return &Error{Name: ErrInvalidAddress, Detail: why} }

// hexValue is over 15 for what is no digit (`address.case`).
func hexValue(digit byte) byte {
	switch {
	case digit >= '0' && digit <= '9':
		return digit - '0'
	case digit|0x20 >= 'a' && digit|0x20 <= 'f':
		return digit | 0x20 - 'a' + 10
	}
	return 255
}
