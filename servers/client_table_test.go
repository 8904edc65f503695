package servers

import (
	"math/rand/v2"
	"testing"

	"github.com/goreactor/reactor"
)

func TestClientTableAgainstAMap(t *testing.T) {
	const firstToken = 3
	random := rand.New(rand.NewPCG(1, 2))
	for _, start := range []reactor.Token{0, wakeToken - 5000} { // the latter goes round all numbers
		table := clientTable{first: firstToken, last: start}
		model := make(map[reactor.Token]*client)
		var tokens []reactor.Token
		left := make(map[reactor.Token]bool)
		for range 200_000 {
			if grow := random.IntN(1000) < 500+len(tokens)%3; grow || len(tokens) == 0 {
				c := table.add(nil)
				if c.token < firstToken || c.token == wakeToken || left[c.token] || model[c.token] != nil {
					t.Fatalf("token %d was given", c.token)
				}
				model[c.token] = c
				tokens = append(tokens, c.token)
			} else {
				i := random.IntN(len(tokens))
				token := tokens[i]
				tokens[i] = tokens[len(tokens)-1]
				tokens = tokens[:len(tokens)-1]
				table.remove(model[token])
				delete(model, token)
				left[token] = true
				if table.find(token) != nil {
					t.Fatalf("token %d is found after its client left", token)
				}
			}
			for range 3 {
				if len(tokens) == 0 {
					break
				}
				token := tokens[random.IntN(len(tokens))]
				if table.find(token) != model[token] {
					t.Fatalf("token %d finds another client", token)
				}
			}
			if table.find(0) != nil || table.find(wakeToken) != nil {
				t.Fatal("a token that is no client's finds one")
			}
		}
		seen := 0
		for c := range table.all {
			seen++
			if model[c.token] != c {
				t.Fatalf("all yields a client that left: %d", c.token)
			}
			table.remove(c)
		}
		if seen != len(model) || table.count != 0 {
			t.Fatalf("all yields %d clients of %d", seen, len(model))
		}
	}
}

func TestClientTableGrowsWithItsClientsOnly(t *testing.T) {
	// Connections that come and go must not make it grow.
	var table clientTable
	for range 100_000 {
		table.remove(table.add(nil))
	}
	if len(table.places) != minPlaces {
		t.Errorf("%d places for one client at a time", len(table.places))
	}
}
