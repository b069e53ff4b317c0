package crypto_test

import (
	"context"
	"crypto/rand"

	materials "github.com/aws/aws-cryptographic-material-providers-library/releases/go/mpl/awscryptographymaterialproviderssmithygenerated"
	materialtypes "github.com/aws/aws-cryptographic-material-providers-library/releases/go/mpl/awscryptographymaterialproviderssmithygeneratedtypes"
	sdk "github.com/aws/aws-encryption-sdk/releases/go/encryption-sdk/awscryptographyencryptionsdksmithygenerated"
	sdktypes "github.com/aws/aws-encryption-sdk/releases/go/encryption-sdk/awscryptographyencryptionsdksmithygeneratedtypes"
)

// esdk is the AWS Encryption SDK with a raw AES keyring.
type esdk struct {
	client  *sdk.Client
	keyring materialtypes.IKeyring
	suite   materialtypes.ESDKAlgorithmSuiteId
}

func newESDK() *esdk {
	key := make([]byte, 32)
	rand.Read(key)
	provider := must(materials.NewClient(materialtypes.MaterialProvidersConfig{}))
	return &esdk{
		client: must(sdk.NewClient(sdktypes.AwsEncryptionSdkConfig{})),
		keyring: must(provider.CreateRawAesKeyring(context.Background(), materialtypes.CreateRawAesKeyringInput{
			KeyNamespace: "bench", KeyName: "key", WrappingKey: key,
			WrappingAlg: materialtypes.AesWrappingAlgAlgAes256GcmIv12Tag16,
		})),
		suite: materialtypes.ESDKAlgorithmSuiteIdAlgAes256GcmHkdfSha512CommitKey,
	}
}

func (e *esdk) encrypt(plaintext []byte) []byte {
	return must(e.client.Encrypt(context.Background(), sdktypes.EncryptInput{
		Plaintext: plaintext, Keyring: e.keyring, AlgorithmSuiteId: &e.suite,
		EncryptionContext: map[string]string{"note-body": "8d6f3a91"},
	})).Ciphertext
}

func (e *esdk) decrypt(message []byte) []byte {
	return must(e.client.Decrypt(context.Background(), sdktypes.DecryptInput{
		Ciphertext: message, Keyring: e.keyring,
		EncryptionContext: map[string]string{"note-body": "8d6f3a91"},
	})).Plaintext
}
