using Vmm.Engine.Kvm.Interop;

namespace Vmm.Engine.Kvm.Processor;

/// <summary>Model-specific registers by <c>KVM_GET_MSRS</c> and <c>KVM_SET_MSRS</c>, past the filter that the guest meets.</summary>
internal sealed class MsrAccess(KvmDescriptor vcpu)
{
    /// <summary>What makes up a processor in the engine-neutral form, but EFER, which the special registers hold.</summary>
    public static ReadOnlySpan<uint> Saved =>
    [
        Msr.Ia32Star, Msr.Ia32Lstar, Msr.Ia32Cstar, Msr.Ia32Fmask, Msr.Ia32KernelGsBase,
        Msr.Ia32SysenterCs, Msr.Ia32SysenterEsp, Msr.Ia32SysenterEip, Msr.Ia32Pat, Msr.Ia32TscAux, Msr.Ia32MiscEnable, Msr.Ia32Debugctl,
    ];

    /// <summary>Reads a register; 0 for one that KVM does not have.</summary>
    public ulong Read(uint index)
    {
        var msr = new KvmMsr { Count = 1, Index = index };
        return vcpu.Request(KvmRequest.GetMsrs, ref msr) == 1 ? msr.Value : 0;
    }

    /// <summary>Writes a register.</summary>
    /// <exception cref="KvmException">KVM does not take the value.</exception>
    public void Write(uint index, ulong value)
    {
        if (!TryWrite(index, value))
        {
            throw new KvmException($"KVM does not take 0x{value:x} for MSR 0x{index:x}.");
        }
    }

    /// <summary>Writes a register that KVM may not have.</summary>
    public bool TryWrite(uint index, ulong value)
    {
        var msr = new KvmMsr { Count = 1, Index = index, Value = value };
        return vcpu.Request(KvmRequest.SetMsrs, ref msr) == 1;
    }
}
