namespace Vmm.Engine.Conformance.Tests.Harness;

/// <summary>The mode in which a guest starts; the value is its code size in bits.</summary>
internal enum GuestMode
{
    Real = 16,
    Protected = 32,
    Long = 64,
}
