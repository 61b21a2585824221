namespace Vmm.Sdk;

/// <summary>Owns ranges of model-specific registers. Two owners of one register are a start-up error that names both.</summary>
public interface IMsrHandler
{
    /// <summary>The registers owned. Read once.</summary>
    IReadOnlyCollection<MsrRange> MsrRanges { get; }

    /// <summary>RDMSR.</summary>
    /// <param name="vcpu">The processor.</param>
    /// <param name="index">Register number.</param>
    /// <param name="value">The value.</param>
    /// <returns>False for a general-protection fault in the guest.</returns>
    bool Read(IVirtualProcessor vcpu, uint index, out ulong value);

    /// <summary>WRMSR.</summary>
    /// <param name="vcpu">The processor.</param>
    /// <param name="index">Register number.</param>
    /// <param name="value">The value.</param>
    /// <returns>False for a general-protection fault in the guest.</returns>
    bool Write(IVirtualProcessor vcpu, uint index, ulong value);
}

/// <summary>A range of model-specific registers.</summary>
/// <param name="Name">Name for messages.</param>
/// <param name="First">First register.</param>
/// <param name="Last">Last register, inclusive.</param>
public readonly record struct MsrRange(string Name, uint First, uint Last);

/// <summary>Changes what CPUID shows.</summary>
public interface ICpuidHandler
{
    /// <summary>The leaves of interest. Read once.</summary>
    IReadOnlyCollection<CpuidRange> CpuidRanges { get; }

    /// <summary>Adjusts the result of a leaf; earlier handlers and the kernel have filled it in.</summary>
    /// <param name="vcpu">The processor.</param>
    /// <param name="leaf">EAX.</param>
    /// <param name="subleaf">ECX.</param>
    /// <param name="result">The result, to be changed.</param>
    void Adjust(IVirtualProcessor vcpu, uint leaf, uint subleaf, ref CpuidResult result);
}

/// <summary>A range of CPUID leaves.</summary>
/// <param name="Name">Name for messages.</param>
/// <param name="First">First leaf.</param>
/// <param name="Last">Last leaf, inclusive.</param>
public readonly record struct CpuidRange(string Name, uint First, uint Last);

/// <summary>The registers that CPUID fills.</summary>
/// <param name="Eax">EAX.</param>
/// <param name="Ebx">EBX.</param>
/// <param name="Ecx">ECX.</param>
/// <param name="Edx">EDX.</param>
public record struct CpuidResult(uint Eax, uint Ebx, uint Ecx, uint Edx);

/// <summary>Answers hypercalls (VMCALL with the call number in RAX, arguments in RBX, RCX, RDX, RSI).</summary>
public interface IHypercallHandler
{
    /// <summary>The calls answered. Read once.</summary>
    IReadOnlyCollection<HypercallRange> HypercallRanges { get; }

    /// <summary>Answers a call.</summary>
    /// <param name="vcpu">The processor.</param>
    /// <param name="registers">Its registers: arguments in, results out.</param>
    /// <returns>The value for RAX.</returns>
    ulong Call(IVirtualProcessor vcpu, ref GuestRegisters registers);
}

/// <summary>A range of hypercall numbers.</summary>
/// <param name="Name">Name for messages.</param>
/// <param name="First">First number.</param>
/// <param name="Last">Last number, inclusive.</param>
public readonly record struct HypercallRange(string Name, ulong First, ulong Last);
