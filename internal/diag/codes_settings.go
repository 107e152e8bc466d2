package diag

// SP10xx: process settings (sallyport.yaml, environment, flags).
const (
	SettingsUnreadable    Code = "SP1001" // the file cannot be opened
	SettingsSyntax        Code = "SP1002" // not YAML
	SettingsUnknown       Code = "SP1003" // no setting of that name
	SettingsType          Code = "SP1004" // text where a number belongs, and the like
	SettingsValue         Code = "SP1005" // right type, impossible value
	SettingsDuplicate     Code = "SP1006" // key or name written twice
	SettingsInterpolation Code = "SP1007" // ${NAME} without a value, or malformed
	SettingsEnvironment   Code = "SP1008" // SALLYPORT_ variable that matches no setting
	SettingsMissing       Code = "SP1009" // needed beside another setting
	SettingsConflict      Code = "SP1010" // two settings exclude each other
	SettingsOpen          Code = "SP1011" // listener open to the network without tokens
	SettingsPlaintext     Code = "SP1012" // tokens would travel unencrypted
	SettingsRisky         Code = "SP1013" // allowed, and rarely meant
	StateUnusable         Code = "SP1014" // the local state file
)

func settingsCodes() []CodeInfo {
	return []CodeInfo{
		{SettingsUnreadable, Error, "settings file cannot be read", "Check the path given with -c and the permissions of the file."},
		{SettingsSyntax, Error, "settings file is not usable YAML", "Correct the syntax at the position; a file holds one document of at most 1 MiB."},
		{SettingsUnknown, Error, "unknown setting", "Correct or remove the name; 'sallyport settings' prints every setting."},
		{SettingsType, Error, "setting of the wrong type", "Write a value of the type that the message names."},
		{SettingsValue, Error, "setting with an impossible value", "Write a value within the bounds that the message names."},
		{SettingsDuplicate, Error, "setting or name written twice", "Keep one of the two."},
		{SettingsInterpolation, Error, "variable in a setting cannot be filled in", "Set the environment variable, or give a default: ${NAME:-default}. Write $${ for a literal ${."},
		{SettingsEnvironment, Warning, "environment variable matches no setting", "Variables are named after settings: gateway.listen is SALLYPORT_GATEWAY_LISTEN. The variable has no effect."},
		{SettingsMissing, Error, "setting needs another one", "Add the setting that the message names."},
		{SettingsConflict, Error, "settings exclude each other", "Change one of the settings that the message names."},
		{SettingsOpen, Error, "listener is open to the network without a token", "Add an entry under tokens, or listen on a loopback address."},
		{SettingsPlaintext, Warning, "tokens travel unencrypted", "Use the tls settings of the listener, or end TLS in front of it on the same machine."},
		{SettingsRisky, Warning, "setting that is rarely meant", "Keep it only if the effect that the message describes is what you want."},
		{StateUnusable, Error, "local state cannot be kept", "Make the folder of state.dir writable for this user only; it holds generated subscription keys."},
	}
}
