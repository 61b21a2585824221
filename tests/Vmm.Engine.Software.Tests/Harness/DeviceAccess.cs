namespace Vmm.Engine.Software.Tests.Harness;

/// <summary>An access to device memory that a test machine saw.</summary>
internal readonly record struct DeviceAccess(bool IsWrite, ulong Physical, ulong Linear, int Width, ulong Data);
