namespace Vmm.Engine.Software.Vmx;

/// <summary>
/// The VM-execution controls of the current VMCS in the form that instructions test (SDM Vol. 3C 25.6). All zero outside
/// VMX non-root operation: then nothing exits.
/// </summary>
internal unsafe struct ExecutionControls
{
    public PinBasedControls Pin;
    public PrimaryProcessorBasedControls Primary;
    public SecondaryProcessorBasedControls Secondary;
    public VmExitControls Exit;
    public uint ExceptionBitmap;
    public uint PageFaultMask;
    public uint PageFaultMatch;
    public ulong Cr0Mask;
    public ulong Cr0Shadow;
    public ulong Cr4Mask;
    public ulong Cr4Shadow;
    public ulong TscOffset;
    public ulong EptPointer;

    // Host pointers to the bitmaps; null when unused.
    public byte* IoBitmapA;
    public byte* IoBitmapB;
    public byte* MsrBitmap;

    public static ExecutionControls From(Vmcs vmcs, HostPhysicalMemory memory)
    {
        var primary = (PrimaryProcessorBasedControls)vmcs[VmcsField.PrimaryProcessorBasedControls];
        var secondary = primary.HasFlag(PrimaryProcessorBasedControls.ActivateSecondaryControls)
            ? (SecondaryProcessorBasedControls)vmcs[VmcsField.SecondaryProcessorBasedControls]
            : SecondaryProcessorBasedControls.None;
        var controls = new ExecutionControls
        {
            Pin = (PinBasedControls)vmcs[VmcsField.PinBasedControls],
            Primary = primary,
            Secondary = secondary,
            Exit = (VmExitControls)vmcs[VmcsField.VmExitControls],
            ExceptionBitmap = (uint)vmcs[VmcsField.ExceptionBitmap],
            PageFaultMask = (uint)vmcs[VmcsField.PageFaultErrorCodeMask],
            PageFaultMatch = (uint)vmcs[VmcsField.PageFaultErrorCodeMatch],
            Cr0Mask = vmcs[VmcsField.Cr0GuestHostMask],
            Cr0Shadow = vmcs[VmcsField.Cr0ReadShadow],
            Cr4Mask = vmcs[VmcsField.Cr4GuestHostMask],
            Cr4Shadow = vmcs[VmcsField.Cr4ReadShadow],
            TscOffset = primary.HasFlag(PrimaryProcessorBasedControls.UseTscOffsetting) ? vmcs[VmcsField.TscOffset] : 0,
            EptPointer = secondary.HasFlag(SecondaryProcessorBasedControls.EnableEpt) ? vmcs[VmcsField.EptPointer] : 0,
        };

        if (primary.HasFlag(PrimaryProcessorBasedControls.UseIoBitmaps))
        {
            memory.TryResolve(vmcs[VmcsField.IoBitmapAAddress], out controls.IoBitmapA);
            memory.TryResolve(vmcs[VmcsField.IoBitmapBAddress], out controls.IoBitmapB);
        }

        if (primary.HasFlag(PrimaryProcessorBasedControls.UseMsrBitmaps))
        {
            memory.TryResolve(vmcs[VmcsField.MsrBitmapAddress], out controls.MsrBitmap);
        }

        return controls;
    }

    /// <summary>Whether an I/O access exits (SDM Vol. 3C 26.1.3). An access that wraps around the port space always does.</summary>
    public readonly bool InterceptsPort(ushort port, int width)
    {
        if ((Primary & PrimaryProcessorBasedControls.UseIoBitmaps) == 0)
        {
            return (Primary & PrimaryProcessorBasedControls.UnconditionalIoExiting) != 0;
        }

        if (port + width > 0x1_0000)
        {
            return true;
        }

        for (int number = port; number < port + width; number++)
        {
            byte* bitmap = number < 0x8000 ? IoBitmapA : IoBitmapB;
            int bit = number & 0x7FFF;
            if (bitmap == null || (bitmap[bit >> 3] & (1 << (bit & 7))) != 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether RDMSR or WRMSR of a register exits (SDM Vol. 3C 25.6.9, 26.1.3).</summary>
    public readonly bool InterceptsMsr(uint index, bool write)
    {
        if (MsrBitmap == null)
        {
            return true;
        }

        // Four bitmaps of 1 KiB: read low, read high, write low, write high.
        uint offset = write ? 2048u : 0;
        if (index is >= 0xC000_0000 and <= 0xC000_1FFF)
        {
            offset += 1024;
            index -= 0xC000_0000;
        }
        else if (index > 0x1FFF)
        {
            return true;
        }

        return (MsrBitmap[offset + (index >> 3)] & (1 << (int)(index & 7))) != 0;
    }

    /// <summary>Whether an exception exits; page faults by their error code (SDM Vol. 3C 26.2).</summary>
    public readonly bool InterceptsException(ExceptionVector vector, uint errorCode)
    {
        bool bit = (ExceptionBitmap & (1u << (byte)vector)) != 0;
        return vector == ExceptionVector.PageFault
            ? bit == ((errorCode & PageFaultMask) == PageFaultMatch)
            : bit;
    }
}
