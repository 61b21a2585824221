namespace Vmm.Kernel;

/// <summary>The saved state of one part of a VM, with what must be known of it before its content is looked at.</summary>
/// <param name="Path">Which part: <c>device/com1</c>, <c>processor/0</c>; unique in a VM.</param>
/// <param name="Schema">What the content means: a device type, or a schema of the kernel's.</param>
/// <param name="Plugin">Id of the plugin that wrote it.</param>
/// <param name="Version">Version of the state.</param>
/// <param name="Content">Numbered fields, for a <see cref="StateReader"/>.</param>
public sealed record StateSection(string Path, string Schema, string Plugin, int Version, ReadOnlyMemory<byte> Content);
