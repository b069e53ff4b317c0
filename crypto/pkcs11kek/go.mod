module github.com/pavise/pavise/crypto/pkcs11kek

go 1.26.0

require github.com/miekg/pkcs11 v1.1.2
