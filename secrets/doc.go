// Package secrets holds values that must not leak and reads them from where
// operators put them.
package secrets
