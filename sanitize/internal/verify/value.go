package verify

// value checks the value v, still escaped, of attribute a on el.
func (l *Language) value(el *Element, a *Attr, v string) bool {
	if a.ID && !hasPrefix(v, l.IDPrefix) {
		return false
	}
	switch a.Kind {
	case URL:
		return l.url(v) || el.Name == "img" && a == el.Attrs["src"] && l.dataImage(v)
	case SrcSet:
		return l.srcSet(v)
	case Enum:
		return listed(a.Values, v)
	case Int:
		return digits(v)
	case Classes:
		for i := 0; i <= len(v); i++ {
			start := i
			for i < len(v) && v[i] != ' ' {
				i++
			}
			if !listed(a.Values, v[start:i]) {
				return false
			}
		}
	}
	return true
}

func hasPrefix(s, prefix string) bool { return len(s) >= len(prefix) && s[:len(prefix)] == prefix }

func listed(values []string, v string) bool {
	for _, s := range values {
		if s == v {
			return true
		}
	}
	return false
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// url accepts a URL that a browser can read in one way only: no white space, no backslash before the query, an allowed scheme
// in lower case, two slashes and a host after one that has hosts, no user name.
func (l *Language) url(v string) bool {
	end := 0 // of the scheme, if there is one
	for end < len(v) && v[end] != ':' && v[end] != '/' && v[end] != '?' && v[end] != '#' && v[end] != '\\' {
		end++
	}
	for i, query := 0, false; i < len(v); i++ {
		query = query || v[i] == '?' || v[i] == '#' && !(i > 0 && v[i-1] == '&')
		if v[i] == ' ' || v[i] == '\t' || v[i] == '\n' || v[i] == '\\' && !query {
			return false
		}
	}
	if end == len(v) || v[end] != ':' {
		return l.relative(v)
	}
	if !listed(l.Schemes, v[:end]) {
		return false
	}
	switch v[:end] {
	case "http", "https", "ftp":
		return len(v) > end+3 && v[end+1] == '/' && v[end+2] == '/' && l.host(v[end+3:])
	}
	return len(v) > end+1
}

func (l *Language) relative(v string) bool {
	if len(v) > 1 && v[0] == '/' && v[1] == '/' {
		return listed(l.Schemes, "https") && l.host(v[2:])
	}
	return l.Relative && v != ""
}

// host accepts the authority that v begins with. Escaped characters have no place in it.
func (l *Language) host(v string) bool {
	end, port := 0, -1
	for ; end < len(v) && v[end] != '/' && v[end] != '?' && v[end] != '#'; end++ {
		switch c := v[end]; {
		case c == '@' || c == '&' || c == '%' || c == '[':
			return false
		case c == ':' && port < 0:
			port = end
		case port >= 0 && (c < '0' || c > '9'):
			return false
		}
	}
	if port >= 0 {
		end = port
	}
	if end == 0 || len(l.Hosts) == 0 {
		return end > 0
	}
	for _, h := range l.Hosts {
		if sameHost(v[:end], h) || h[0] == '*' && end >= len(h) && sameHost(v[end-len(h)+1:end], h[1:]) {
			return true
		}
	}
	return false
}

// sameHost compares host, in any case, with the lower-case name.
func sameHost(host, name string) bool {
	if len(host) != len(name) {
		return false
	}
	for i := range len(host) {
		c := host[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

// dataImage accepts data:image/T;base64,B.
func (l *Language) dataImage(v string) bool {
	const head, mid = "data:image/", ";base64,"
	if !hasPrefix(v, head) {
		return false
	}
	v = v[len(head):]
	end := skipName(v, 0)
	if !listed(l.DataImages, v[:end]) || !hasPrefix(v[end:], mid) {
		return false
	}
	v = v[end+len(mid):]
	for i := range len(v) {
		c := v[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '+' && c != '/' && c != '=' {
			return false
		}
	}
	return v != ""
}

// srcSet accepts "url descriptor, url descriptor", where the descriptor may be left out.
func (l *Language) srcSet(v string) bool {
	for {
		end := 0
		for end < len(v) && v[end] != ' ' && !hasPrefix(v[end:], ", ") {
			end++
		}
		if end == 0 || v[0] == ',' || v[end-1] == ',' || !l.url(v[:end]) {
			return false
		}
		v = v[end:]
		if v != "" && v[0] == ' ' {
			end = 1
			for end < len(v) && ('0' <= v[end] && v[end] <= '9' || v[end] == '.') {
				end++
			}
			if end == 1 || end == len(v) || v[end] != 'w' && v[end] != 'x' {
				return false
			}
			v = v[end+1:]
		}
		if v == "" {
			return true
		}
		if !hasPrefix(v, ", ") {
			return false
		}
		v = v[2:]
	}
}
