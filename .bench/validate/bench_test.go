// Package validate compares validate with what people use now: encoding/json, lax or strict, in front of
// go-playground/validator.
package validate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/go-playground/validator/v10"

	"github.com/pavise/pavise/validate"
)

type order struct {
	ID       string   `json:"id" validate:"required,uuid4"`
	Customer customer `json:"customer"`
	Currency string   `json:"currency" validate:"required,len=3,alpha"`
	Note     string   `json:"note" validate:"max=500"`
	Items    []item   `json:"items" validate:"required,min=1,max=5000,dive"`
}

type customer struct {
	Name  string `json:"name" validate:"required,max=100"`
	Email string `json:"email" validate:"required,email,max=254"`
	Phone string `json:"phone" validate:"omitempty,e164"`
}

type item struct {
	SKU   string   `json:"sku" validate:"required,max=40"`
	Name  string   `json:"name" validate:"required,max=200"`
	Qty   int      `json:"qty" validate:"gte=1,lte=1000"`
	Price int64    `json:"price_minor" validate:"gte=0"`
	Tags  []string `json:"tags" validate:"max=10,dive,required,max=32"`
	Gift  bool     `json:"gift"`
}

type signup struct {
	ID       string   `json:"id" validate:"required,uuid4"`
	Name     string   `json:"name" validate:"required,min=1,max=100"`
	Email    string   `json:"email" validate:"required,email,max=254"`
	Password string   `json:"password" validate:"required,min=15,max=128"`
	Age      int      `json:"age" validate:"gte=13,lte=130"`
	Country  string   `json:"country" validate:"required,len=2,alpha"`
	Phone    string   `json:"phone" validate:"omitempty,e164"`
	Plan     string   `json:"plan" validate:"required,oneof=free pro enterprise"`
	Tags     []string `json:"tags" validate:"max=10,dive,required,max=32"`
	Accept   bool     `json:"accept" validate:"eq=true"`
}

var ada = signup{
	ID: "f81d4fae-7dec-41d0-a765-00a0c91e6bf6", Name: "Ada Lovelace", Email: "ada.lovelace@example.com",
	Password: "correct horse battery staple", Age: 36, Country: "GB", Phone: "+14155552671", Plan: "pro",
	Tags: []string{"math", "poetry", "engines"}, Accept: true,
}

// body is an order of about n bytes.
func body(n int) []byte {
	o := order{
		ID: "f81d4fae-7dec-41d0-a765-00a0c91e6bf6", Currency: "EUR", Note: "Leave it with the neighbour, s'il vous plaît.",
		Customer: customer{"Ada Lovelace", "ada.lovelace@example.com", "+14155552671"},
	}
	for i := 0; ; i++ {
		o.Items = append(o.Items, item{
			SKU: fmt.Sprintf("SKU-%06d", i), Name: fmt.Sprintf("Analytical engine part no. %d", i),
			Qty: 1 + i%7, Price: int64(1999 + i), Tags: []string{"brass", "gear"}, Gift: i%2 == 0,
		})
		if b, err := json.Marshal(o); err != nil || len(b) >= n {
			return b
		}
	}
}

var peer = validator.New(validator.WithRequiredStructEnabled())

func lax(data []byte) error {
	var o order
	if err := json.Unmarshal(data, &o); err != nil {
		return err
	}
	return peer.Struct(&o)
}

func strict(data []byte) error {
	var o order
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("trailing data")
	}
	return peer.Struct(&o)
}

func decode(b *testing.B, size int) {
	data := body(size)
	orders := validate.Must(validate.For[order](validate.Config{}))
	ours := func(data []byte) error {
		_, err := orders.JSON(data)
		return err
	}
	for _, row := range []struct {
		name string
		work func([]byte) error
	}{{"pavise", ours}, {"std-strict", strict}, {"std-lax", lax}} {
		b.Run(row.name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := row.work(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Decode and check 1 KiB. std-strict refuses unknown members and trailing data; std-lax is what frameworks do.
func BenchmarkDecode1KiB(b *testing.B) { decode(b, 1000) }

func BenchmarkDecode100KiB(b *testing.B) { decode(b, 100_000) }

// Check a struct of ten fields that is good.
func BenchmarkStruct(b *testing.B) {
	signups := validate.Must(validate.For[signup](validate.Config{}))
	in := ada
	b.Run("pavise", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := signups.Struct(b.Context(), &in); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("validator", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := peer.Struct(&in); err != nil {
				b.Fatal(err)
			}
		}
	})
}
