package pkcs11kek

import "fmt"

// Code is a CK_RV, a return value of PKCS #11 (OASIS PKCS #11 v3.1, section 5.1.6).
type Code uint

const (
	codeHostMemory              Code = 0x02
	codeGeneralError            Code = 0x05
	codeFunctionFailed          Code = 0x06
	codeArgumentsBad            Code = 0x07
	codeCantLock                Code = 0x0a
	codeAttributeTypeInvalid    Code = 0x12
	codeDataInvalid             Code = 0x20
	codeDataLenRange            Code = 0x21
	codeDeviceError             Code = 0x30
	codeDeviceMemory            Code = 0x31
	codeDeviceRemoved           Code = 0x32
	codeEncryptedDataInvalid    Code = 0x40
	codeEncryptedDataLenRange   Code = 0x41
	codeAEADDecryptFailed       Code = 0x42
	codeFunctionNotSupported    Code = 0x54
	codeKeyHandleInvalid        Code = 0x60
	codeKeySizeRange            Code = 0x62
	codeKeyTypeInconsistent     Code = 0x63
	codeKeyFunctionNotPermitted Code = 0x68
	codeMechanismInvalid        Code = 0x70
	codeMechanismParamInvalid   Code = 0x71
	codeObjectHandleInvalid     Code = 0x82
	codePINIncorrect            Code = 0xa0
	codePINInvalid              Code = 0xa1
	codePINLenRange             Code = 0xa2
	codePINExpired              Code = 0xa3
	codePINLocked               Code = 0xa4
	codeSessionClosed           Code = 0xb0
	codeSessionCount            Code = 0xb1
	codeSessionHandleInvalid    Code = 0xb3
	codeTokenNotPresent         Code = 0xe0
	codeUserAlreadyLoggedIn     Code = 0x100
	codeUserNotLoggedIn         Code = 0x101
	codeUserPINNotInitialized   Code = 0x102
	codeUserAnotherLoggedIn     Code = 0x104
	codeCryptokiNotInitialized  Code = 0x190
	codeCryptokiInitialized     Code = 0x191
	codeVendorDefined           Code = 0x80000000
)

var codeNames = map[Code]string{
	codeHostMemory:              "CKR_HOST_MEMORY",
	codeGeneralError:            "CKR_GENERAL_ERROR",
	codeFunctionFailed:          "CKR_FUNCTION_FAILED",
	codeArgumentsBad:            "CKR_ARGUMENTS_BAD",
	codeCantLock:                "CKR_CANT_LOCK",
	codeAttributeTypeInvalid:    "CKR_ATTRIBUTE_TYPE_INVALID",
	codeDataInvalid:             "CKR_DATA_INVALID",
	codeDataLenRange:            "CKR_DATA_LEN_RANGE",
	codeDeviceError:             "CKR_DEVICE_ERROR",
	codeDeviceMemory:            "CKR_DEVICE_MEMORY",
	codeDeviceRemoved:           "CKR_DEVICE_REMOVED",
	codeEncryptedDataInvalid:    "CKR_ENCRYPTED_DATA_INVALID",
	codeEncryptedDataLenRange:   "CKR_ENCRYPTED_DATA_LEN_RANGE",
	codeAEADDecryptFailed:       "CKR_AEAD_DECRYPT_FAILED",
	codeFunctionNotSupported:    "CKR_FUNCTION_NOT_SUPPORTED",
	codeKeyHandleInvalid:        "CKR_KEY_HANDLE_INVALID",
	codeKeySizeRange:            "CKR_KEY_SIZE_RANGE",
	codeKeyTypeInconsistent:     "CKR_KEY_TYPE_INCONSISTENT",
	codeKeyFunctionNotPermitted: "CKR_KEY_FUNCTION_NOT_PERMITTED",
	codeMechanismInvalid:        "CKR_MECHANISM_INVALID",
	codeMechanismParamInvalid:   "CKR_MECHANISM_PARAM_INVALID",
	codeObjectHandleInvalid:     "CKR_OBJECT_HANDLE_INVALID",
	codePINIncorrect:            "CKR_PIN_INCORRECT",
	codePINInvalid:              "CKR_PIN_INVALID",
	codePINLenRange:             "CKR_PIN_LEN_RANGE",
	codePINExpired:              "CKR_PIN_EXPIRED",
	codePINLocked:               "CKR_PIN_LOCKED",
	codeSessionClosed:           "CKR_SESSION_CLOSED",
	codeSessionCount:            "CKR_SESSION_COUNT",
	codeSessionHandleInvalid:    "CKR_SESSION_HANDLE_INVALID",
	codeTokenNotPresent:         "CKR_TOKEN_NOT_PRESENT",
	codeUserAlreadyLoggedIn:     "CKR_USER_ALREADY_LOGGED_IN",
	codeUserNotLoggedIn:         "CKR_USER_NOT_LOGGED_IN",
	codeUserPINNotInitialized:   "CKR_USER_PIN_NOT_INITIALIZED",
	codeUserAnotherLoggedIn:     "CKR_USER_ANOTHER_ALREADY_LOGGED_IN",
	codeCryptokiNotInitialized:  "CKR_CRYPTOKI_NOT_INITIALIZED",
	codeCryptokiInitialized:     "CKR_CRYPTOKI_ALREADY_INITIALIZED",
}

// Error returns the name that the standard has for c, or its number.
func (c Code) Error() string {
	if name, ok := codeNames[c]; ok {
		return name
	}
	return fmt.Sprintf("CKR 0x%x", uint(c))
}

// kind returns what a caller can do about c. What is not known to be final is tried
// again.
func (c Code) kind() error {
	switch c {
	case codePINIncorrect, codePINInvalid, codePINLenRange, codePINExpired, codePINLocked,
		codeUserPINNotInitialized, codeUserAnotherLoggedIn:
		return ErrDenied
	case codeArgumentsBad, codeCantLock, codeAttributeTypeInvalid, codeFunctionNotSupported, codeKeySizeRange,
		codeKeyTypeInconsistent, codeKeyFunctionNotPermitted, codeMechanismInvalid, codeMechanismParamInvalid:
		return ErrRefused
	}
	return ErrUnavailable
}

// refusesPIN reports whether c is about the PIN that was sent.
func (c Code) refusesPIN() bool { return c >= codePINIncorrect && c <= codePINLocked }

// notAuthentic reports whether c says that a ciphertext is at fault.
func (c Code) notAuthentic() bool {
	return c == codeEncryptedDataInvalid || c == codeEncryptedDataLenRange || c == codeAEADDecryptFailed
}

// ambiguous reports whether some tokens return c for a ciphertext that is at fault,
// while others return it when they fail themselves.
func (c Code) ambiguous() bool {
	switch c {
	case codeGeneralError, codeFunctionFailed, codeArgumentsBad, codeDataInvalid, codeDataLenRange, codeDeviceError:
		return true
	}
	return c >= codeVendorDefined
}
