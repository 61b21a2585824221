using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>The processor's own model-specific registers with their reserved bits (SDM Vol. 4). All others are #GP here: they are the board's.</summary>
internal static unsafe class MsrFile
{
    /// <summary>Fast strings; and XD not disabled, which has no bit set.</summary>
    private const ulong MiscEnableWritable = 1;

    /// <summary>Registers that are state, for saving.</summary>
    public static ReadOnlySpan<uint> Saved =>
    [
        Msr.Ia32Efer, Msr.Ia32Star, Msr.Ia32Lstar, Msr.Ia32Cstar, Msr.Ia32Fmask, Msr.Ia32KernelGsBase,
        Msr.Ia32SysenterCs, Msr.Ia32SysenterEsp, Msr.Ia32SysenterEip, Msr.Ia32Pat, Msr.Ia32TscAux, Msr.Ia32MiscEnable, Msr.Ia32Debugctl,
    ];

    public static bool TryRead(CpuState* s, uint index, out ulong value)
    {
        switch (index)
        {
            case Msr.Ia32TimeStampCounter:
                value = TimeStamps.Now(s);
                return true;
            case Msr.Ia32FsBase:
                value = s->Fs.Base;
                return true;
            case Msr.Ia32GsBase:
                value = s->Gs.Base;
                return true;
        }

        ulong* register = Storage(s, index);
        value = register == null ? 0 : *register;
        return register != null;
    }

    public static Outcome Write(CpuState* s, uint index, ulong value)
    {
        switch (index)
        {
            case Msr.Ia32Efer:
                return ControlRegisterWrites.WriteEfer(s, value);
            case Msr.Ia32TimeStampCounter:
                s->TscOffset += value - TimeStamps.Now(s);
                return Outcome.Next;
            case Msr.Ia32FsBase when ProcessorMode.IsCanonical(value):
                s->Fs.Base = value;
                s->SegmentBase[(int)SegmentRegister.Fs] = value;
                return Outcome.Next;
            case Msr.Ia32GsBase when ProcessorMode.IsCanonical(value):
                s->Gs.Base = value;
                s->SegmentBase[(int)SegmentRegister.Gs] = value;
                return Outcome.Next;
        }

        ulong* register = Storage(s, index);
        if (register == null || !IsValid(index, value))
        {
            return Faults.GeneralProtection(s);
        }

        *register = value;
        return Outcome.Next;
    }

    /// <summary>Sets a register from saved state: EFER with its read-only bit, no side effects.</summary>
    public static void Restore(CpuState* s, uint index, ulong value)
    {
        ulong* register = Storage(s, index);
        if (register != null)
        {
            *register = value;
        }
    }

    private static bool IsValid(uint index, ulong value) => index switch
    {
        Msr.Ia32Lstar or Msr.Ia32Cstar or Msr.Ia32KernelGsBase or Msr.Ia32SysenterEsp or Msr.Ia32SysenterEip =>
            ProcessorMode.IsCanonical(value),
        Msr.Ia32Fmask or Msr.Ia32TscAux or Msr.Ia32SysenterCs => value >> 32 == 0,
        Msr.Ia32Pat => IsPat(value),
        Msr.Ia32MiscEnable => (value & ~MiscEnableWritable) == 0,
        Msr.Ia32Debugctl => (value & ~3UL) == 0,
        _ => true,
    };

    // Memory types 0, 1, 4 to 7 in each byte (SDM Vol. 3A 12.12.2).
    private static bool IsPat(ulong value)
    {
        for (int n = 0; n < 64; n += 8)
        {
            if ((value >> n & 0xFF) is not (0 or 1 or 4 or 5 or 6 or 7))
            {
                return false;
            }
        }

        return true;
    }

    private static ulong* Storage(CpuState* s, uint index) => index switch
    {
        Msr.Ia32Efer => &s->Efer,
        Msr.Ia32Star => &s->Star,
        Msr.Ia32Lstar => &s->Lstar,
        Msr.Ia32Cstar => &s->Cstar,
        Msr.Ia32Fmask => &s->Fmask,
        Msr.Ia32KernelGsBase => &s->KernelGsBase,
        Msr.Ia32SysenterCs => &s->SysenterCs,
        Msr.Ia32SysenterEsp => &s->SysenterEsp,
        Msr.Ia32SysenterEip => &s->SysenterEip,
        Msr.Ia32Pat => &s->Pat,
        Msr.Ia32TscAux => &s->TscAux,
        Msr.Ia32MiscEnable => &s->MiscEnable,
        Msr.Ia32Debugctl => &s->DebugCtl,
        _ => null,
    };
}
